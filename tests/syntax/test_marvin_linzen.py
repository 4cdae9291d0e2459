"""The sentences of Marvin & Linzen (2018), as they were published."""

import hashlib
from collections import defaultdict
from functools import cache

from helpers.needs import DATA, needs_data

from app.syntax.pairs import read_pairs
from app.syntax.stimuli import Stimuli
from app.syntax.templates import MARVIN_LINZEN, read_templates

PAIRS = "marvin_linzen/emnlp2018_pairs.tsv"
# By case: number of items, and start of the SHA-256 of their sorted lines of condition and sentences, tab-separated.
PUBLISHED = {
    "long_vp_coord": (400, "1ee4cf3c5923f23d"),
    "npi_across_anim": (4_800, "87d5a1272d705643"),
    "npi_across_inanim": (5_760, "91d78b253357880d"),
    "obj_rel_across_anim": (11_200, "2752bcd36cd1cd50"),
    "obj_rel_across_inanim": (11_200, "2c1de7e7efbc125b"),
    "obj_rel_no_comp_across_anim": (11_200, "af46521504c8cd9d"),
    "obj_rel_no_comp_across_inanim": (11_200, "5d2faed6c6335691"),
    "obj_rel_no_comp_within_anim": (11_200, "0aa9932affc1bbe3"),
    "obj_rel_no_comp_within_inanim": (11_200, "dd50bd0f24c567ea"),
    "obj_rel_within_anim": (11_200, "399aadf4796ed8ee"),
    "obj_rel_within_inanim": (11_200, "809e1db5db4f819c"),
    "prep_anim": (16_800, "76202a6517c993cd"),
    "prep_inanim": (5_600, "7da9d4be626cf7bc"),
    "reflexive_sent_comp": (3_360, "3af4b7da4a138f14"),
    "reflexives_across": (22_400, "02badd39e9587807"),
    "sent_comp": (1_680, "de03478381b9f2b4"),
    "simple_agrmt": (140, "1d28b4e2bed4e912"),
    "simple_npi_anim": (120, "16266df7c1b621b0"),
    "simple_npi_inanim": (144, "fb32624f16fe7414"),
    "simple_reflexives": (280, "546a7dd28a541e6c"),
    "subj_rel": (11_200, "e6eeaa23e669f20f"),
    "vp_coord": (840, "83fe46cd67301038"),
}
GI, IU, GU = "grammatical vs. intrusive", "intrusive vs. ungrammatical", "grammatical vs. ungrammatical"
# The rows of Table 3 of Shen et al. (2019), and the number of items of each.
ROWS = [
    ("short", "SV simple", 140),
    ("short", "SV sentential complement", 1_680),
    ("short", "SV short VP coordination", 840),
    ("short", "SV in object relative clause", 22_400),
    ("short", "SV in object relative clause (no that)", 22_400),
    ("short", "reflexive simple", 280),
    ("short", "reflexive sentential complement", 3_360),
    *(("short", f"NPI simple, {pair}", 264) for pair in (GI, IU, GU)),
    ("long", "SV long VP coordination", 400),
    ("long", "SV across prepositional phrase", 22_400),
    ("long", "SV across subject relative clause", 11_200),
    ("long", "SV across object relative clause", 22_400),
    ("long", "SV across object relative clause (no that)", 22_400),
    ("long", "reflexive across relative clause", 22_400),
    *(("long", f"NPI across relative clause, {pair}", 10_560) for pair in (GI, IU, GU)),
]


@cache
def made() -> Stimuli:
    return read_templates(MARVIN_LINZEN)


def test_all_cases_are_the_published_ones() -> None:
    lines = defaultdict(list)
    for item in made().items:
        lines[item.case].append("\t".join([item.condition, *item.sentences]))
    found = {
        case: (len(of_case), hashlib.sha256("\n".join(sorted(of_case)).encode()).hexdigest()[:16])
        for case, of_case in lines.items()
    }
    assert found == PUBLISHED
    assert len(made().items) == len(set(made().items)) == 163_124


@needs_data(PAIRS)
def test_all_sentences_are_the_published_ones() -> None:
    published = read_pairs(DATA / PAIRS)
    assert set(made().items) == set(published.items)
    assert len(made().items) == len(published.items)


def test_the_table_has_the_papers_19_rows() -> None:
    items = defaultdict(int)
    for item in made().items:
        items[item.case] += 1
    rows = [
        (construction.term, name, sum(items[case] for case in construction.cases))
        for construction in made().constructions
        for name, _ in construction.rows()
    ]
    assert rows == ROWS
    assert len(rows) == 19
