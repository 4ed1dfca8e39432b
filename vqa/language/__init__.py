"""Language models: they complete a question or correct its typos; and decoding for every model that writes."""
