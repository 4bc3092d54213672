"""The scenarios, one file each; `podready.rehearse.scenario` has the table."""
