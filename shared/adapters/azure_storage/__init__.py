"""The storage account: tables for the state, blobs for the files."""
