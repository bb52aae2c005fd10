"""Takes in wage data: slips, batches and the people they belong to."""
