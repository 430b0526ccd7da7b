"""Languages: one code everywhere (FLORES-200), its English name, and what was probably meant.

The list is that of FLORES-200 (NLLB Team 2022, table 1): an ISO 639-3 language and an ISO 15924
script joined by an underscore. Names and other standards' codes come from ``langcodes``.
"""

from __future__ import annotations

import difflib
from functools import cache

import langcodes

FLORES_200: frozenset[str] = frozenset(
    """
    ace_Arab ace_Latn acm_Arab acq_Arab aeb_Arab afr_Latn ajp_Arab aka_Latn als_Latn amh_Ethi
    apc_Arab arb_Arab arb_Latn ars_Arab ary_Arab arz_Arab asm_Beng ast_Latn awa_Deva ayr_Latn
    azb_Arab azj_Latn bak_Cyrl bam_Latn ban_Latn bel_Cyrl bem_Latn ben_Beng bho_Deva bjn_Arab
    bjn_Latn bod_Tibt bos_Latn bug_Latn bul_Cyrl cat_Latn ceb_Latn ces_Latn cjk_Latn ckb_Arab
    crh_Latn cym_Latn dan_Latn deu_Latn dik_Latn dyu_Latn dzo_Tibt ell_Grek eng_Latn epo_Latn
    est_Latn eus_Latn ewe_Latn fao_Latn fij_Latn fin_Latn fon_Latn fra_Latn fur_Latn fuv_Latn
    gaz_Latn gla_Latn gle_Latn glg_Latn grn_Latn guj_Gujr hat_Latn hau_Latn heb_Hebr hin_Deva
    hne_Deva hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn ita_Latn jav_Latn
    jpn_Jpan kab_Latn kac_Latn kam_Latn kan_Knda kas_Arab kas_Deva kat_Geor kaz_Cyrl kbp_Latn
    kea_Latn khk_Cyrl khm_Khmr kik_Latn kin_Latn kir_Cyrl kmb_Latn kmr_Latn knc_Arab knc_Latn
    kon_Latn kor_Hang lao_Laoo lij_Latn lim_Latn lin_Latn lit_Latn lmo_Latn ltg_Latn ltz_Latn
    lua_Latn lug_Latn luo_Latn lus_Latn lvs_Latn mag_Deva mai_Deva mal_Mlym mar_Deva min_Arab
    min_Latn mkd_Cyrl mlt_Latn mni_Beng mos_Latn mri_Latn mya_Mymr nld_Latn nno_Latn nob_Latn
    npi_Deva nso_Latn nus_Latn nya_Latn oci_Latn ory_Orya pag_Latn pan_Guru pap_Latn pbt_Arab
    pes_Arab plt_Latn pol_Latn por_Latn prs_Arab quy_Latn ron_Latn run_Latn rus_Cyrl sag_Latn
    san_Deva sat_Olck scn_Latn shn_Mymr sin_Sinh slk_Latn slv_Latn smo_Latn sna_Latn snd_Arab
    som_Latn sot_Latn spa_Latn srd_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn swh_Latn szl_Latn
    tam_Taml taq_Latn taq_Tfng tat_Cyrl tel_Telu tgk_Cyrl tgl_Latn tha_Thai tir_Ethi tpi_Latn
    tsn_Latn tso_Latn tuk_Latn tum_Latn tur_Latn twi_Latn tzm_Tfng uig_Arab ukr_Cyrl umb_Latn
    urd_Arab uzn_Latn vec_Latn vie_Latn war_Latn wol_Latn xho_Latn ydd_Hebr yor_Latn yue_Hant
    zho_Hans zho_Hant zsm_Latn zul_Latn
    """.split()  # noqa: SIM905 - a list of 204 quoted codes reads worse
)

_RIGHT_TO_LEFT = {"Arab", "Hebr", "Nkoo", "Syrc", "Thaa", "Adlm"}


_RICH = frozenset(
    """
    tam tel mal kan sin mar guj npi ben asm ory pan fin est hun tur azj azb kaz kir uzn tuk tat bak
    uig crh khk eus kat hye pol ces slk slv hrv srp bos bul mkd rus ukr bel lit lvs ltg quy ayr grn
    swh zul xho ssw sot nso tsn tso nya kin run lug lin kik kam bem sna tum umb amh tir gaz som heb
    arb ars ary arz apc ajp aeb acm acq ckb kmr mlt isl kal
    """.split()  # noqa: SIM905
)
"""Languages whose words take many forms, by ISO 639-3: much of the grammar stands in endings."""


def rich(code: str) -> bool:
    """Whether words of a language take so many forms that whole words seldom match."""
    return code.partition("_")[0] in _RICH


@cache
def name(code: str) -> str:
    """English name of a FLORES-200 code: ``spa_Latn`` is ``Spanish``."""
    return langcodes.Language.get(code.replace("_", "-")).simplify_script().display_name("en")


@cache
def iso(code: str) -> str:
    """Shortest ISO 639 code of a FLORES-200 code: ``spa_Latn`` is ``es``."""
    language = langcodes.Language.get(code.replace("_", "-"))
    return language.prefer_macrolanguage().language or code.partition("_")[0]


def direction(code: str) -> str:
    """Which way the script of a FLORES-200 code is written: ``ltr`` or ``rtl``."""
    return "rtl" if code.rpartition("_")[2] in _RIGHT_TO_LEFT else "ltr"


def code(text: str) -> str:
    """A FLORES-200 code, by itself or by a shorter one that means one of them (``en``, ``deu``).

    Raises:
        ValueError: with the complaint, if it means none or several.
    """
    if text in FLORES_200:
        return text
    try:
        alpha3 = langcodes.Language.get(text).to_alpha3()
    except (LookupError, ValueError):
        alpha3 = ""
    meant = [each for each in FLORES_200 if each.partition("_")[0] == alpha3]
    if len(meant) == 1:
        return meant[0]
    raise ValueError(complaint(text))


def complaint(value: object) -> str | None:
    """What is wrong with a value given as a language code; ``None`` when it is a good one."""
    if isinstance(value, bool):
        word = "yes" if value else "no"
        return f"{value} is no FLORES-200 code (YAML reads an unquoted {word} as {value}: quote it)"
    if isinstance(value, str) and value in FLORES_200:
        return None
    meant = _guess(str(value))
    hint = f"did you mean {meant}?" if meant else "a code looks like eng_Latn"
    return f"{value!r} is no FLORES-200 code; {hint}"


def _guess(text: str) -> str | None:
    folded = {code.lower(): code for code in sorted(FLORES_200)}
    if code := folded.get(text.lower().replace("-", "_")):
        return code
    try:
        alpha3 = langcodes.Language.get(text).to_alpha3()
    except (LookupError, ValueError):
        try:
            alpha3 = langcodes.find(text).to_alpha3()
        except (LookupError, ValueError):
            alpha3 = ""
    same = [code for code in sorted(FLORES_200) if alpha3 and code.startswith(alpha3)]
    latin_first = sorted(same, key=lambda code: not code.endswith("Latn"))
    if latin_first:
        return latin_first[0]
    close = difflib.get_close_matches(text.lower(), list(folded), n=1)
    return folded[close[0]] if close else None
