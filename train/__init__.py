"""Scripts, one a job: `python -m train.<job> --help`."""
