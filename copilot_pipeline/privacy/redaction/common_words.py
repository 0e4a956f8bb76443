"""Words that are not names, or that are names and ordinary words."""

from __future__ import annotations

# Parts of a display name that are no names: titles, legal forms, and what rooms and devices are called.
_NOT_NAMES = """
    dr mr mrs ms miss prof herr frau sir madame monsieur señor señora jr sr ii iii iv phd mba md esq of the and und
    guest user room conference meeting boardroom phone iphone ipad android macbook laptop unknown speaker caller zoom
    teams webex sales team support external internal participant host organizer admin notetaker recorder assistant bot
    inc llc ltd gmbh ag corp company co
"""
NOT_NAMES = frozenset(_NOT_NAMES.split())
# Parts that are no names if the display name has them in lower case; Ben, Van and Das are names.
_PARTICLES = """
    von van der den de da di del della du des dos das do la le les el al bin ibn ben y e et zu zur zum ten ter af av
"""
PARTICLES = frozenset(_PARTICLES.split())
# Names that are also words: they count as a name only if they begin with a capital letter.
_ALSO_WORDS = """
    alt amber an angel april art as at august bach baker ball banks baron basil be bell berg berry best bill bird
    bishop black blanc blanco blue bond bonds bravo bright brook brooks brown buck bull bush by campos carpenter
    case cash chance charity chase cherry china chip christian clay cliff cole constance cook crane cruz crystal
    daisy dale dawn day dean destiny do dollar drake drew duke earl early english ernst eve fair faith field fields
    finch fisher flores fox franco frank frei freitag french friday fromm gardener gene german ginger glen go gold
    good grace grand gray green grey gross gut guy ha hall harmony hart he heath herbst hi hill ho home hope house
    hunter if in iris is it ivy jade jay joy june jung kaiser key keys king klein knight koch konig kurz lamb lance
    lane lang late leal light lily little long love low lowe luz ma major man march mark marshal mason max may me
    melody mercy miller ming misty monday money moody moon moreno moss my neu no noble noir olive on or pa page pan
    park parker parks pat paz pearl penny pepper petit pierce plum pope porter potter power powers price prince
    prudence rain ray read red reed reich rey rich richer richter rios rivers rob robin roi rojo rose rosemary ruby
    rush rusty sage sandy santos sergeant sharp she shepherd short silver skip sky small smart smith so sommer
    sonntag star stark stein stock stocks stone store stormy strong sue summer sun sunny swan swift taylor to
    trinity true truly turner up us violet vogel wade walker we weaver weeks wells white will winter wolf wood
    woods you young
"""
ALSO_WORDS = frozenset(_ALSO_WORDS.split())
