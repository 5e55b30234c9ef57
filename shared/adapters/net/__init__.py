"""What adapters share on the network: TLS, and the download of files from addresses that users wrote."""
