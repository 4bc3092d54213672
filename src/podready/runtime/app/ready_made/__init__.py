"""The functions behind `podready.checks`, one file for each kind of dependency."""
