"""The Azure Storage account: tables for the state, blobs for the files."""
