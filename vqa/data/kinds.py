"""The 80 kinds of objects that COCO's boxes mark, and the words by which questions name them.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, appendix.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

# A group, then its kinds: the name in COCO, the plural, further words for this kind alone.
_TABLE = """
# person
person, people: persons, man, men, woman, women, boy, boys, girl, girls, guy, guys, lady, ladies, child, children, \
kid, kids, baby, babies, toddler, gentleman, gentlemen, player, players, skier, skiers, snowboarder, snowboarders, \
surfer, surfers, skateboarder, skateboarders, skater, skaters, cyclist, cyclists, biker, bikers, batter, catcher, \
umpire, rider, riders, athlete, athletes, bride, groom, couple, chef, worker, workers, officer, policeman, adult, \
adults, pedestrian, pedestrians, spectators, someone, somebody, anyone, anybody, everyone, everybody
# vehicle
bicycle, bicycles:
car, cars: automobile, automobiles, taxi, taxis, suv, sedan
motorcycle, motorcycles: motorbike, motorbikes, motor bike, scooter, scooters, moped
airplane, airplanes: plane, planes, aeroplane, aeroplanes, aircraft, jet, jets, airliner, jetliner, biplane
bus, buses: busses
train, trains: locomotive, locomotives, train car, train cars
truck, trucks: lorry, lorries, pickup, fire engine
boat, boats: ship, ships, sailboat, sailboats, canoe, kayak, ferry, yacht
# outdoor
traffic light, traffic lights: traffic signal, traffic signals, stoplight, stoplights, stop light, stop lights
fire hydrant, fire hydrants: hydrant, hydrants
stop sign, stop signs:
parking meter, parking meters: meter, meters
bench, benches:
# animal
bird, birds: seagull, seagulls, pigeon, pigeons, duck, ducks, parrot, parrots, goose, geese, owl, swan, swans, eagle
cat, cats: kitten, kittens, kitty
dog, dogs: puppy, puppies, poodle
horse, horses: pony, ponies
sheep, sheep: lamb, lambs
cow, cows: cattle, bull, bulls
elephant, elephants:
bear, bears: polar bear, polar bears, brown bear, black bear
zebra, zebras:
giraffe, giraffes:
# accessory
backpack, backpacks: rucksack, rucksacks, book bag
umbrella, umbrellas: parasol, parasols
handbag, handbags: hand bag, purse, purses
tie, ties: necktie, neckties, bow tie, bowtie
suitcase, suitcases: luggage, baggage, briefcase
# sports
frisbee, frisbees:
skis, skis:
snowboard, snowboards: snow board, snow boards
sports ball, sports balls: ball, balls, soccer ball, tennis ball, baseballs
kite, kites:
baseball bat, baseball bats: bat, bats
baseball glove, baseball gloves: mitt
skateboard, skateboards: skate board, skate boards
surfboard, surfboards: surf board, surf boards
tennis racket, tennis rackets: racket, rackets, racquet, racquets, tennis racquet, tennis racquets
# kitchen
bottle, bottles:
wine glass, wine glasses: wineglass, wineglasses
cup, cups: mug, mugs, teacup
fork, forks:
knife, knives:
spoon, spoons:
bowl, bowls:
# food
banana, bananas:
apple, apples:
sandwich, sandwiches: burger, burgers, hamburger
orange, oranges:
broccoli, broccoli:
carrot, carrots:
hot dog, hot dogs: hotdog, hotdogs
pizza, pizzas:
donut, donuts: doughnut, doughnuts
cake, cakes: cupcake, cupcakes, carrot cake
# furniture
chair, chairs: armchair, armchairs
couch, couches: sofa, sofas, loveseat
potted plant, potted plants: plant, plants, houseplant, houseplants
bed, beds:
dining table, dining tables: table, tables
toilet, toilets: toilet seat, toilet bowl, urinal, urinals
# electronic
tv, tvs: t.v, television, televisions, tv screen
laptop, laptops: laptop computer, laptop computers, laptop screen, macbook, mac book, mac books, apple laptop
mouse, mice: computer mouse, computer mouses
remote, remotes: remote control, remote controls, tv remote, tv remotes, controller, controllers
keyboard, keyboards: computer keyboard, computer keyboards, laptop keyboard
cell phone, cell phones: phone, phones, cellphone, cellphones, mobile phone, smartphone
# appliance
microwave, microwaves: microwave oven
oven, ovens: stove, stoves, stovetop
toaster, toasters:
sink, sinks: basin
refrigerator, refrigerators: fridge, fridges, freezer
# indoor
book, books:
clock, clocks:
vase, vases:
scissors, scissors:
teddy bear, teddy bears: stuffed bear, stuffed bears, toy bear, teddy, stuffed animal, stuffed animals
hair drier, hair driers: hair dryer, hair dryers, hairdryer, blow dryer
toothbrush, toothbrushes: tooth brush
"""
# Phrases for several kinds or for a whole group; in the last entry, phrases that hold a word from above but mean
# something else.
_PHRASES_OF_SEVERAL = """
animal, animals: animal
vehicle, vehicles: vehicle
bike, bikes: bicycle, motorcycle
van, vans, jeep: car, truck
bag, bags: backpack, handbag, suitcase
bear, bears: bear, teddy bear
fruit, fruits: banana, apple, orange
vegetable, vegetables, veggie, veggies: broccoli, carrot
silverware, utensil, utensils, cutlery: fork, knife, spoon
computer, computers, computer screen, computer screens, monitor, monitors, screen, screens: laptop, tv
toaster oven, toaster ovens: toaster, oven, microwave
remote control plane, remote control planes: airplane
couple of, kids room, child room, cd player, dvd player, record player, zebra crossing, train station, train track, \
train tracks, box car, cable car, bus stop, jet ski, power plant, pit bull, red bull, tie dye, to tie, tea bag, \
tea bags, trash bag, trash bags, garbage bag, garbage bags, plastic bag, plastic bags, bean bag, ball game, oven mitt, \
oven mitts, table tennis, apple logo, apple juice, apple pie, burger king, chair lift, flower bed, truck bed, \
toilet paper, phone booth, phone number, mouse pad, mickey mouse, remote area, to sink, o'clock:
"""
# 'orange' is more often a colour: the fruit has an article before it and no noun after it.
_ORANGE = r"(?:an|the) orange(?= *(?:[?.,]|$|(?:on|in|at|to|is|has|cut|present|visible|above|below|near|next)\b))"


@dataclass(frozen=True)
class Kind:
    """A kind of object: its name in COCO, its plural, its group and further words for it."""

    name: str
    plural: str
    group: str
    synonyms: tuple[str, ...]


def _kinds() -> Iterator[Kind]:
    group = ""
    for line in _TABLE.strip().splitlines():
        if line.startswith("# "):
            group = line[2:]
            continue
        names, _, others = line.partition(":")
        name, plural = names.split(", ")
        yield Kind(name, plural, group, tuple(filter(None, others.strip().split(", "))))


KINDS = {kind.name: kind for kind in _kinds()}
GROUPS = tuple(dict.fromkeys(kind.group for kind in KINDS.values()))


def _phrases() -> dict[str, frozenset[str]]:
    """Each phrase that is looked for, and the kinds that it names."""
    found = {word: frozenset({k.name}) for k in KINDS.values() for word in (k.name, k.plural, *k.synonyms)}
    for line in _PHRASES_OF_SEVERAL.strip().splitlines():
        phrases, _, names = line.partition(":")
        wanted = set(names.strip().split(", "))
        kinds = frozenset(kind.name for kind in KINDS.values() if {kind.name, kind.group} & wanted)
        found |= dict.fromkeys(phrases.split(", "), kinds)
    del found["orange"]
    return found


_PHRASES = _phrases()
_ANIMALS = "|".join(word for word, kinds in _PHRASES.items() if any(KINDS[kind].group == "animal" for kind in kinds))
# A baby elephant is no person.
_YOUNG = re.compile(rf"\b(?:baby|babies|child|adult) (?=(?:{_ANIMALS})\b)")
# The longest phrase first: a hot dog is no dog.
_NAMED = re.compile(rf"\b(?:({'|'.join(sorted(map(re.escape, _PHRASES), key=len, reverse=True))})\b|{_ORANGE})")


def named_kinds(text: str) -> frozenset[str]:
    """The kinds that a question or an answer names, in any of their words; empty if none."""
    matches = _NAMED.finditer(_YOUNG.sub("", " ".join(text.lower().split())))
    return frozenset().union(*(_PHRASES[match[1]] if match[1] else {"orange"} for match in matches))
