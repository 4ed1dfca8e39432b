"""The app's page and its server, measured: `check` in a browser, `sessions` over many visitors."""
