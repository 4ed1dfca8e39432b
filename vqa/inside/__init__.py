"""Looking inside recurrent networks: the values in their cells, and how far gradients reach."""
