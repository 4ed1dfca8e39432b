"""Under an answer: is it right, or what is? Both go into a table that `vqa train` takes (`vqa ui --collect folder`)."""

from vqa.data.collect import Collection


class Corrections:
    """What the page calls from the foot of a card. collection: where the answers go."""

    def __init__(self, collection: Collection):
        self.collection = collection

    def collect(self, photo: bytes, question: str, answer: str) -> dict[str, str]:
        """Add an answer that was confirmed or corrected; the text says whether it was new."""
        new = self.collection.add(photo, question, answer)
        return {"text": f"Added to {self.collection.table.name}." if new else "Added before."}
