"""The templates, the workflows and their documents; no test here needs Azure, a compiler or a network."""
