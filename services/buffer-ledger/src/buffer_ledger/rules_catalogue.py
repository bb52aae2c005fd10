"""The ledger's published fault rules, beside the general ones."""

from collections.abc import Mapping

RULES: Mapping[str, str] = {
    "L001": "A household counts at least the adults it consists of: two for a couple.",
    "L002": "A last month may not lie before the first month.",
    "L003": "An enrolment period is at most twelve months from its first month.",
    "L004": "An account number is an IBAN whose check digits fit (ISO 13616).",
    "L005": "The end of a range may not lie before its beginning.",
    "L006": "Settings of a municipality may not change for a month that was closed: name a later month.",
    "L007": "A scheme may not end before it begins.",
    "L008": "A parameter of the law has no value for a month that needs it.",
    "L009": "A simulated wage must lie in a simulated month, and each month may be simulated once.",
    "L010": "A payment was executed on a day from the first of the order's month to today.",
    "L011": "A scheme begins on the first day of a month and ends on the last day of one.",
    "L012": "A list may not name the same thing twice.",
    "L013": "Nobody is enrolled from, and nothing is closed of, a month before 2020-01.",
    "L014": "A single wage in a simulation is EUR 1,000,000 at most.",
    "L015": "All donations to one fund together are EUR 1,000,000,000 at most.",
    "L030": "The state of the books can be asked for an instant that has passed.",
    "L016": "A donor's reference is written with letters, digits, spaces and - / . _, and holds no account "
    "number, BSN or e-mail address: it is kept for ever.",
    "L031": "A figure of a policy comes with its word and with no other: floorCents, guaranteeShare, "
    "fixedCents, limitCents.",
    "L033": "Statutory money (Participatiewet art. 34b) moves only on the decision of an official.",
    "L034": "Statutory money is neither repaid out of later income nor claimed back.",
    "L035": "A bufferbudget is counted by the calendar year and has the maximum of article 34b(1).",
    "L036": "A decision has the reasons and the reference that its kind of money needs.",
    "L039": "Bijstand ends on a day of the enrolment after its first, today at the latest.",
    "L040": "A person is back on or after the day on which bijstand ended.",
    "L042": "Money comes back for a month of the enrolment, on a day from that month's first to today.",
    "L043": "A buffer is repaid out of later income only with the collegeConfirmation of its scheme.",
    "L041": "A comparison takes each policy from one place, and no more months than one call can run.",
    "L038": "A decision was announced on a day from that of the decision to today.",
    "L037": "At most what is proposed can be agreed to.",
    "L032": "A fixed allowance and an income guarantee move real money only with the legalBase they rest on.",
    "L061": "Only a couple has a partner, and nobody is their own.",
    "L062": "Only a person of 18 to 20 has the addition for parents who cannot help.",
    "L063": "Periods stand in order: each begins after the one before it has ended.",
    "L064": "A household changes after the first day of the enrolment.",
    "L065": "A decision of the municipality was made today or earlier.",
    "L066": "An amount that a municipality decided for one month is EUR 100,000 at most.",
}
