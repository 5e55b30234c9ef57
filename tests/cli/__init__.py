"""The operators' command line, on fakes and on the local stack."""
