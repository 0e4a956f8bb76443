"""The copy of the tombstones in the lake and in the home, by which a restored database honours them."""

TOMBSTONES_FILE = "_erasures.json"
