"""Which things captions speak of: countable nouns, found by their place in the sentence, without a model.

A noun is what often stands between an article and a preposition, a verb or the end: "a dog on", "an umbrella." That no
word is missed that says the same in another way, small tables of synonyms and kinds stand here too.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

FEWEST = 5  # photos whose captions have a noun, at least
SHARE = 0.005  # of all photos
OFTEN = 0.08  # of a word's uses are those of a noun after its article


def one_of(words: str) -> frozenset[str]:
    return frozenset(words.split())


ARTICLES = one_of("a an")
AFTER = one_of(
    "of in on at with by from to for near next behind under over above beside through between into onto along around "
    "during against inside outside off down up across while as that which who is are was were has have sits stands "
    "sitting standing ."
)
LISTED = AFTER | one_of("and , or being laying lying walking riding holding wearing parked")
UNREAL = one_of("no not without like")  # "without a door", "shaped like a heart"

# Nouns that nobody can look for: of pictures, amounts, events, places in the picture, parts of nearly everything;
# and words that are something else just as often.
UNASKED = one_of(
    "picture photo image photograph shot view close closeup close-up selfie scene camera reflection display background "
    "group couple lot bunch set piece pair row number pile variety assortment collection slice pack roll line body "
    "game trick ride walk run jump turn serve pitch landing race party stunt flip dance break event competition match "
    "flight bite top side corner end edge area place middle center front back base case course goal hole curve way day "
    "wall floor ceiling window door roof hand head face leg arm tail eye mouth hair can male female adult model "
    "object device container thing upside fenced stop light orange swing home stand drink business part show see "
    "board square stall herd flock team structure obstacle splash racer pitch"
)

# Two words, or one, that name one thing.
SPELLINGS = {
    "air plane": "airplane", "aeroplane": "airplane", "motor cycle": "motorcycle", "motor bike": "motorbike",
    "surf board": "surfboard", "skate board": "skateboard", "snow board": "snowboard", "skate boarder": "skateboarder",
    "snow boarder": "snowboarder", "bath room": "bathroom", "rest room": "restroom", "bed room": "bedroom",
    "bath tub": "bathtub", "tooth brush": "toothbrush", "back pack": "backpack", "suit case": "suitcase",
    "base ball": "baseball", "side walk": "sidewalk", "doughnut": "donut", "racquet": "racket",
    "cell phone": "cell_phone", "cellphone": "cell_phone", "hot dog": "hot_dog", "hotdog": "hot_dog",
    "teddy bear": "teddy_bear", "stuffed animal": "stuffed_animal", "stuffed bear": "teddy_bear",
    "fire hydrant": "fire_hydrant", "hydrant": "fire_hydrant", "stop sign": "stop_sign", "street sign": "street_sign",
    "traffic light": "traffic_light", "street light": "street_light", "parking meter": "parking_meter",
    "remote control": "remote_control", "wine glass": "wine_glass", "tennis racket": "racket",
    "tennis racquet": "racket", "clock tower": "clock_tower", "baseball bat": "baseball_bat",
    "tennis court": "tennis_court", "parking lot": "parking_lot", "train station": "train_station",
    "bus stop": "bus_stop", "toilet bowl": "toilet",
}  # fmt: skip
_VARIANT = re.compile(rf"\b(?:{'|'.join(map(re.escape, sorted(SPELLINGS, key=len, reverse=True)))})(?=s?\b)")
_WORD = re.compile(r"[a-z]+(?:[-_'][a-z]+)*|[.,;!?]")

IRREGULAR = {
    "man": "men", "woman": "women", "child": "children", "person": "people", "knife": "knives", "shelf": "shelves",
    "leaf": "leaves", "loaf": "loaves", "calf": "calves", "wolf": "wolves", "mouse": "mice", "goose": "geese",
    "foot": "feet", "sheep": "sheep", "policeman": "policemen", "fireman": "firemen", "fisherman": "fishermen",
    "tomato": "tomatoes", "potato": "potatoes",
}  # fmt: skip

SAME = [
    set(line.split())
    for line in (
        "person someone somebody human individual adult crowd group family couple",
        "man guy gentleman male dude boy", "woman lady female girl", "child kid baby toddler infant boy girl",
        "player batter catcher pitcher umpire athlete", "rider cyclist biker bicyclist motorcyclist",
        "bike bicycle motorbike motorcycle scooter moped", "tv television monitor screen", "computer laptop monitor",
        "couch sofa loveseat armchair futon", "chair stool armchair seat bench", "plane airplane jet aircraft jetliner",
        "phone cell_phone telephone smartphone", "remote remote_control controller", "car automobile taxi cab suv van",
        "truck van pickup trailer", "bus coach", "train locomotive subway tram trolley engine caboose",
        "boat ship sailboat canoe kayak raft ferry yacht", "dog puppy", "cat kitten kitty", "cow bull calf cattle ox",
        "horse pony", "sheep lamb", "bear teddy_bear stuffed_animal", "toy teddy_bear stuffed_animal doll",
        "plate dish platter tray saucer", "cup mug glass wine_glass", "meal food dish lunch dinner breakfast",
        "sandwich burger hamburger hot_dog", "cake dessert pastry cupcake", "donut pastry dessert", "bun bread roll",
        "table desk counter countertop", "stove oven range", "fridge refrigerator freezer", "cabinet cupboard drawer",
        "bathroom restroom toilet bathtub shower washroom", "tub bathtub shower", "bag purse backpack handbag",
        "suitcase luggage bag baggage", "hat cap helmet", "shirt t-shirt sweater jersey", "jacket coat sweater",
        "suit tie necktie tuxedo", "racket tennis", "bat baseball_bat", "ball baseball football basketball softball",
        "frisbee disc", "surfboard board", "skateboard board", "snowboard board ski",
        "street road highway intersection sidewalk lane alley crosswalk curb", "path trail walkway road track",
        "track rail railroad railway", "sidewalk walkway", "city town street", "house cottage cabin",
        "store shop market", "restaurant cafe diner bar", "field grass pasture meadow lawn park yard", "pitch field",
        "enclosure zoo pen cage", "forest wood jungle", "tree forest branch wood palm", "bush tree plant",
        "flower plant rose bouquet", "mountain hill slope hillside cliff", "beach shore ocean sea sand coast",
        "ocean sea water lake river pond bay harbor wave", "dock pier harbor marina", "airport runway tarmac",
        "sign stop_sign street_sign", "lamp light street_light", "pole post street_light traffic_light", "fence gate",
        "rock stone boulder", "rail railing fence", "statue sculpture", "vase pot jar", "pan pot skillet", "rug carpet",
        "pillow cushion", "blanket sheet towel quilt comforter", "box carton crate", "tower clock_tower clock",
        "station train_station platform", "picture painting photo", "knife fork spoon utensil silverware",
        "book magazine", "cart wagon carriage", "court tennis_court", "wave ocean", "herd flock", "kite parasail",
        "umbrella parasol", "mound pitcher", "ramp halfpipe", "skier ski", "surfer surfboard", "toothbrush brush",
        "banana plantain", "doorway entrance", "room bedroom bathroom kitchen office", "bed bedroom crib mattress",
        "kitchen kitchenette", "office desk", "garden yard", "toilet urinal", "bottle beer beverage",
    )
]  # fmt: skip
PEOPLE = (
    "player batter catcher pitcher umpire athlete rider cyclist biker bicyclist motorcyclist surfer skier skateboarder "
    "snowboarder climber hiker runner driver chef cook officer policeman fireman fisherman cowboy worker performer"
)
_KINDS = {
    "person": f"man woman boy girl child kid baby toddler guy lady gentleman {PEOPLE}",
    "man": f"person someone {PEOPLE} crowd group family couple kid child",
    "woman": f"person someone {PEOPLE} crowd group family couple kid child",
    "boy": f"person someone {PEOPLE} crowd group family",
    "girl": f"person someone {PEOPLE} crowd group family",
    "guy": f"person someone {PEOPLE} crowd group",
    "lady": f"person someone {PEOPLE} crowd group",
    "child": "person family group crowd", "kid": "person family group crowd",
    "baby": "person family group crowd",
    "crowd": "person man woman child group audience",
    "animal": "dog cat horse cow sheep goat bird bear elephant giraffe zebra lion tiger duck goose monkey fish puppy "
              "kitten pony bull calf lamb deer herd flock pet teddy_bear stuffed_animal",
    "bird": "duck goose seagull parrot owl pigeon eagle hawk swan flock pelican penguin rooster chicken",
    "vehicle": "car truck bus van train motorcycle bike bicycle scooter taxi suv tractor trailer plane airplane boat "
               "motorbike jet aircraft",
    "building": "house church tower clock_tower skyscraper hotel store shop barn castle museum city town street "
                "restaurant station train_station",
    "food": "pizza sandwich cake salad soup pasta hot_dog burger donut fruit vegetable",
    "meal": "pizza sandwich salad soup pasta hot_dog burger", "dish": "pizza salad soup pasta bowl",
    "room": "living dining", "furniture": "chair couch table bed desk sofa dresser",
}  # fmt: skip
KINDS = {general: one_of(kinds) for general, kinds in _KINDS.items()}


def words(caption: str) -> list[str]:
    """Lower-case words and stops, with one spelling for one thing; a stop ends them."""
    text = _VARIANT.sub(lambda found: SPELLINGS[found[0]], caption.lower())
    return [*_WORD.findall(text), "."]


def plural(noun: str) -> str:
    """The usual plural of a singular."""
    if noun in IRREGULAR:
        return IRREGULAR[noun]
    if re.search(r"(?:s|x|z|ch|sh)$", noun):
        return noun + "es"
    return re.sub(r"(?<=[^aeiou])y$", "ie", noun) + "s"


def article(noun: str) -> str:
    """a or an."""
    return "an" if noun[0] in "aeiou" and not noun.startswith(("uni", "use", "uten", "euro", "one")) else "a"


def shown(noun: str) -> str:
    """As it is written in a question."""
    return noun.replace("_", " ")


def find_nouns(photos: Iterable[Sequence[str]]) -> list[str]:
    """The singular nouns that are frequent in the captions of `photos`, in alphabetical order.

    A word with a plural that is a noun itself ("woman", "women") stands in its singular only.
    """
    used, placed, seen, count = Counter[str](), Counter[str](), Counter[str](), 0
    for captions in photos:
        count += 1
        found: set[str] = set()
        for text in map(words, captions):
            found.update(text)
            used.update(text)
            placed.update(
                word
                for before, word, after in zip(text, text[1:], text[2:], strict=False)
                if before in ARTICLES and after in AFTER
            )
        seen.update(found)
    fewest = max(FEWEST, SHARE * count)
    known = {
        word for word, times in placed.items() if times > 1 and seen[word] >= fewest and times >= OFTEN * used[word]
    }
    several = {plural(word) for word in known if plural(word) != word}
    return sorted(known - several - UNASKED - ARTICLES - AFTER)


class Nouns:
    """What captions say about each of some nouns.

    near: noun to the words, in singular, that keep it from being absent: itself, synonyms, kinds of it, and what it is
    a kind of.
    """

    def __init__(self, nouns: Iterable[str]):
        self.near = {noun: {noun} for noun in nouns}
        for noun, near in self.near.items():
            near.update(*(group for group in SAME if noun in group), KINDS.get(noun, ()))
            near.update(general for general, kinds in KINDS.items() if noun in kinds)
        known = set[str]().union(*self.near.values())
        self.singular = {plural(word): word for word in known} | {word: word for word in known}

    def read(self, captions: Sequence[str]) -> tuple[set[str], set[str]]:
        """The nouns that stand in the captions as things, and all nouns that the captions do not leave out."""
        there, said = set[str](), set[str]()
        for text in map(words, captions):
            for i, word in enumerate(text):
                noun = self.singular.get(word)
                if noun is not None:
                    said.add(noun)
                    if noun in self.near and text[i + 1] in LISTED and self._is_thing(text[:i], plural=word != noun):
                        there.add(noun)
        return there, {noun for noun, near in self.near.items() if near & said}

    def _is_thing(self, before: list[str], plural: bool) -> bool:
        """Whether the words before do not deny a noun; after another noun, a plural may be a verb ("a man waves")."""
        return not UNREAL & set(before[-3:]) and not (plural and before and before[-1] in self.near)
