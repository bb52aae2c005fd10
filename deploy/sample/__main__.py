"""Makes the sample population and its year of wage slips: `python -m deploy.sample [folder]`.

Everybody and every employer in it is invented. The same program gives the same bytes, so that the demo's
figures can be compared from one version to the next; a test holds the committed files against it.
"""

import sys
from pathlib import Path

from deploy.sample.population import make_sample


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    for name, content in make_sample().items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
