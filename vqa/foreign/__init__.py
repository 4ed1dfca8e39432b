"""Visual question answering models of transformers with the methods of `VQA`, so that they can be compared with ours.

A ViLT or BLIP checkpoint answers, reports its attention, and is evaluated. What only a Glimpse model has (the answer
without the photo, the words' weights, evidence) is missing from its answers.
"""

ADAPTERS = {"vilt": "vqa.foreign.vilt", "blip": "vqa.foreign.blip"}  # by the model_type of its config.json
