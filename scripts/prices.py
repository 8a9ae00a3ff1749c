#!/usr/bin/env python3
"""Writes assets/prices.tsv, the price list that ships, from the figures of two public collections.

Both are packages on PyPI under the MIT licence; nothing of theirs but figures, names of models and addresses of price
pages is kept. Fetch and unpack them first:

    pip download --no-deps genai-prices litellm -d FOLDER
    (cd FOLDER && for wheel in *.whl; do python3 -m zipfile -e "$wheel" .; done)

Use: prices.py FOLDER DATE [--report]     DATE is the day of reading, as 2026-11-25

Figures are decimal numbers throughout. A row that does not pass the sanity check and has no excuse below stops the run.
"""

from __future__ import annotations

import datetime
import fnmatch
import json
import pathlib
import re
import sys
from decimal import Decimal

OUT = pathlib.Path(__file__).resolve().parent.parent / "assets" / "prices.tsv"

# ---- which vendors, under which name and prefix of the model's id ----

LITELLM = {
    "openai": [("openai", "")],
    "anthropic": [("anthropic", "")],
    "aistudio": [("gemini", "gemini/")],
    "vertex": [("vertex_ai*", "vertex_ai/")],
    "deepseek": [("deepseek", "deepseek/")],
    "groq": [("groq", "groq/")],
    "xai": [("xai", "xai/")],
    "vercel": [("vercel_ai_gateway", "vercel_ai_gateway/")],
    "nvidia": [("nvidia_nim", "nvidia_nim/")],
    "mistral": [("mistral", "mistral/")],
    "azure": [("azure", "azure/")],
    "cerebras": [("cerebras", "cerebras/")],
    "cohere": [("cohere", ""), ("cohere_chat", "")],
    "dashscope": [("dashscope", "dashscope/")],
    "deepinfra": [("deepinfra", "deepinfra/")],
    "fireworks": [("fireworks_ai", "fireworks_ai/"), ("fireworks_ai-embedding-models", "fireworks_ai/")],
    "minimax": [("minimax", "minimax/")],
    "moonshot": [("moonshot", "moonshot/")],
    "nebius": [("nebius", "nebius/")],
    "novita": [("novita", "novita/")],
    "perplexity": [("perplexity", "perplexity/")],
    "sambanova": [("sambanova", "sambanova/")],
    "together": [("together_ai", "together_ai/")],
    "voyage": [("voyage", "voyage/")],
    "zai": [("zai", "zai/")],
}
GENAI = {
    "openai": "openai",
    "anthropic": "anthropic",
    "aistudio": "google",
    "deepseek": "deepseek",
    "groq": "groq",
    "openrouter": "openrouter",
    "xai": "x-ai",
    "mistral": "mistral",
    "cerebras": "cerebras",
    "cohere": "cohere",
    "fireworks": "fireworks",
    "minimax": "minimax",
    "moonshot": "moonshotai",
    "novita": "novita",
    "perplexity": "perplexity",
    "together": "together",
    "voyage": "voyageai",
    "zai": "zai",
}
# Channels that sell under another one's prices, and other names that an operator may give a provider.
ALIASES = {
    "vertexexpress": "vertex", "google": "aistudio", "gemini": "aistudio", "moonshotai": "moonshot", "z-ai": "zai", "x-ai": "xai",
    "together_ai": "together", "fireworks_ai": "fireworks", "qwen": "dashscope", "alibaba": "dashscope", "mistralai": "mistral",
}  # fmt: skip
# Where a collection lists other vendors' models too.
OWN = {"aistudio": re.compile("^(gemini|gemma|imagen|veo|learnlm|embedding|text-embedding|deep-research)")}
# Ids that are the collection's own names for sizes, regions and families, and no models of the vendor.
NO_MODELS = re.compile(
    r"^(ft:|together-ai-|fireworks-ai-|(global|global-standard|eu|us|azure)/|(low|medium|high|standard|hd|256|512|1024|1536)[-/].*x)"
    r"|^gpt-\d-\d|^gpt-35|-online$|\.ft-$|container|^search$|lyria"
)
MODES = {"chat", "responses", "completion", "embedding", "image_generation", "image_edit", "audio_transcription",
         "audio_speech", "video_generation", "realtime", "rerank", "moderation"}  # fmt: skip
# Where a cache write of the plain name lives half an hour.
HALF_HOUR = {"openai", "azure"}

# What is odd and right: vendor, pattern of models, oddity, why.
EXCUSES = [
    ("openrouter", "*:free", "free", "the id says that it is free"),
]

UNITS = [
    f"{bucket}{modality}"
    for bucket in ("input", "cache_read", "cache_write_5m", "cache_write_30m", "cache_write_1h", "output", "reasoning")
    for modality in ("", ".image", ".audio", ".video")
] + ["request", "image", "second", "search"]
PIECES = {"request", "image", "second", "search"}
MILLION = Decimal(10**6)

# ---- one collection ----

LITELLM_UNITS = {
    "input_cost_per_token": "input",
    "output_cost_per_token": "output",
    "output_cost_per_reasoning_token": "reasoning",
    "cache_read_input_token_cost": "cache_read",
    "cache_creation_input_token_cost": "cache_write_5m",
    "cache_creation_input_token_cost_above_1hr": "cache_write_1h",
    "input_cost_per_image_token": "input.image",
    "input_cost_per_audio_token": "input.audio",
    "input_cost_per_video_token": "input.video",
    "output_cost_per_image_token": "output.image",
    "output_cost_per_audio_token": "output.audio",
    "output_cost_per_video_token": "output.video",
    "cache_read_input_image_token_cost": "cache_read.image",
    "cache_read_input_audio_token_cost": "cache_read.audio",
}
LITELLM_KEY = re.compile(r"^(.*?)(?:_above_(\d+)k_tokens)?(?:_(priority|flex|batches|ultrafast|balanced))?$")


def from_litellm(vendor, model):
    """The bands of one model: {(above, tier): {unit: dollars}}."""
    bands = {}

    def put(above, tier, unit, price):
        if vendor in HALF_HOUR:
            unit = unit.replace("cache_write_5m", "cache_write_30m")
        bands.setdefault((above, tier), {})[unit] = price

    for key, value in model.items():
        if isinstance(value, bool) or not isinstance(value, (int, Decimal)):
            continue
        base, above, tier = LITELLM_KEY.match(key).groups()
        unit = LITELLM_UNITS.get(base)
        if unit:
            put(int(above or 0) * 1000, {"batches": "batch"}.get(tier, tier), unit, Decimal(value) * MILLION)
    for part in model.get("tiered_pricing") or []:
        if "range" not in part:
            continue
        for key, value in part.items():
            if key in LITELLM_UNITS:
                put(int(part["range"][0]), None, LITELLM_UNITS[key], Decimal(value) * MILLION)
    hit = model.get("input_cost_per_token_cache_hit")
    if hit is not None and "cache_read" not in bands.get((0, None), {}):
        put(0, None, "cache_read", Decimal(hit) * MILLION)
    for unit, price in litellm_pieces(model).items():
        put(0, None, unit, price)
    fast = (model.get("provider_specific_entry") or {}).get("fast")
    if fast:
        bands[(0, "fast")] = {"times": Decimal(fast)}
    return bands


def litellm_pieces(model):
    """Prices of what is counted by the piece. Where they depend on a size that usage does not tell, there are none."""
    pieces = {}

    def numbers(*keys):
        return [Decimal(model[key]) for key in keys if isinstance(model.get(key), (int, Decimal)) and model[key] > 0]

    images = numbers("output_cost_per_image", "output_cost_per_image_1K", "output_cost_per_image_2K", "output_cost_per_image_4K")
    if model.get("mode") in ("image_generation", "image_edit") and not images:
        images = numbers("input_cost_per_image")
    if len(set(images)) == 1 and not numbers("output_cost_per_image_token"):
        pieces["image"] = images[0]
    sized = [key for key in model if re.match(r"output_cost_per_second_\w+$", key)]
    seconds = numbers("input_cost_per_second", "output_cost_per_second", "output_cost_per_video_per_second", "cost_per_second", *sized)
    if len(set(seconds)) == 1:
        pieces["second"] = seconds[0]
    searches = [Decimal(value) for value in (model.get("search_context_cost_per_query") or {}).values()]
    if searches and max(searches) > 0:
        pieces["search"] = max(searches)
    unit = "search" if model.get("mode") == "rerank" else "request"
    for price in numbers("input_cost_per_query", "input_cost_per_request"):
        pieces[unit] = price
    return pieces


def litellm_rows(path, vendor, today):
    models = json.loads(path.read_text(), parse_float=Decimal)
    for wanted, prefix in LITELLM.get(vendor, []):
        for key, model in models.items():
            name = key.removeprefix(prefix)
            bare = prefix and name == key and key.startswith(wanted.split("*")[0])
            if not fnmatch.fnmatchcase(model.get("litellm_provider") or "", wanted) or bare or (vendor == "openai" and "/" in name):
                continue
            if model.get("mode") not in MODES or str(model.get("deprecation_date") or "9999") < today:
                continue
            limits = [model.get(limit) for limit in ("max_input_tokens", "max_output_tokens")]
            limits = [int(limit) if isinstance(limit, (int, Decimal)) and limit > 0 else None for limit in limits]
            page = str(model.get("source") or "").split("?")[0].strip()
            bands = from_litellm(vendor, model)
            if vendor == "perplexity" and "deep-research" not in name and "search" in bands.get((0, None), {}):
                # It takes its search fee once for a request, however many searches that runs.
                bands[(0, None)]["request"] = bands[(0, None)].pop("search")
            yield name, limits, page if page.startswith("https://") and " " not in page else "", today, bands


# ---- the other collection ----


class Node(dict):
    """An object of the other collection: its members, and the name of its class."""


GENAI_UNITS = {
    "input_mtok": "input", "output_mtok": "output", "cache_read_mtok": "cache_read", "cache_write_mtok": "cache_write_5m",
    "cache_write_1h_mtok": "cache_write_1h", "input_audio_mtok": "input.audio", "input_image_mtok": "input.image",
    "input_video_mtok": "input.video", "output_audio_mtok": "output.audio", "output_image_mtok": "output.image",
    "output_video_mtok": "output.video", "output_reasoning_mtok": "reasoning", "cache_audio_read_mtok": "cache_read.audio",
    "cache_image_read_mtok": "cache_read.image",
}  # fmt: skip
GENAI_PIECES = {"web_searches_kcount": ("search", 1000), "requests_kcount": ("request", 1000),
                "audio_hours": ("second", 3600), "input_audio_hours": ("second", 3600)}  # fmt: skip


def genai_providers(path):
    """Reads the collection's data module without running anything else of it."""
    text = path.read_text().replace("from .types import *", "")

    def maker(name):
        return lambda **members: Node(members, kind=name)

    scope = {name: maker(name) for name in re.findall(r"\b([A-Z]\w+)\(", text) if name != "Decimal"}
    scope["Provider"] = maker("Provider")
    exec(compile(text, str(path), "exec"), scope)  # noqa: S102
    return {provider["id"]: provider for provider in scope["providers"]}


def genai_sheet(vendor, prices, tier=None):
    bands = {}
    for key, value in prices.items():
        unit, piece = GENAI_UNITS.get(key), GENAI_PIECES.get(key)
        if vendor in HALF_HOUR and unit == "cache_write_5m":
            unit = "cache_write_30m"
        if unit and isinstance(value, Node):
            bands.setdefault((0, tier), {})[unit] = value["base"]
            for step in value["tiers"]:
                bands.setdefault((step["start"], tier), {})[unit] = step["price"]
        elif unit:
            bands.setdefault((0, tier), {})[unit] = value
        elif piece:
            bands.setdefault((0, tier), {})[piece[0]] = (value / piece[1]).quantize(Decimal("1e-15")).normalize()
    return bands


def started(constraint, today):
    return not constraint or (constraint["kind"] == "StartDateConstraint" and str(constraint["start_date"]) <= today)


def from_genai(vendor, model, today):
    """The bands, and since when they hold; none where the price depends on the hour."""
    prices, date = model["prices"], today
    if isinstance(prices, list):
        if any((price.get("constraint") or {}).get("kind") == "TimeOfDateConstraint" for price in prices):
            return None, date
        valid = [price for price in prices if started(price.get("constraint"), today)]
        if not valid:
            return None, date
        date = str((valid[-1].get("constraint") or {}).get("start_date") or today)
        prices = valid[-1]["prices"]
    bands = genai_sheet(vendor, prices)
    for variant in model.get("price_variants") or []:
        when = variant["when"]
        if not started(variant.get("constraint"), today) or len(when) != 1:
            continue
        ((kind, tier),) = when.items()
        # Regions and others that an answer does not tell are left out.
        if kind in ("service_tier", "processing", "speed") and tier not in ("default", "standard"):
            bands.update(genai_sheet(vendor, variant["prices"], tier))
    return bands, date


def ids(model):
    """The exact ids of a model, its own first."""
    clauses = [model["match"], *(model["match"].get("or_") or [])]
    said = [clause.get("equals") or clause.get("starts_with") for clause in clauses]
    return dict.fromkeys([model["id"], *(name for name in said if name and name[-1] not in "-/:@")])


def genai_rows(provider, vendor, today):
    page = (provider.get("pricing_urls") or [""])[0].split("#")[0]
    for model in provider["models"]:
        if model.get("deprecated"):
            continue
        bands, date = from_genai(vendor, model, today)
        for name in ids(model) if bands is not None else []:
            if not bands and name.endswith(":free"):
                yield name, [model.get("context_window"), None], page, date, {(0, None): {"input": Decimal(0), "output": Decimal(0)}}
            elif bands:
                yield name, [model.get("context_window"), None], page, date, bands


# ---- both together ----


def complete(found, name, bands, limits):
    """Takes from the second collection what the first lacks, where they agree on the rest."""
    first, (collection, page), date, ours = found[name]
    here, there = ours.get((0, None), {}), bands.get((0, None), {})
    if any(here.get(unit) != there.get(unit) for unit in ("input", "output")):
        return
    more = {unit: price for unit, price in there.items() if unit not in here and not (unit in ("image", "second"))}
    if more and len(ours) == len([band for band in ours if band[0] == 0]):
        here.update(more)
        collection = "both"
    found[name] = ([a or b for a, b in zip(first, limits)], (collection, page), date, tidy(ours))


def resolve(bands, above, tier, unit):
    """What a band says of a unit by itself or by the bands below it."""
    for a, t in sorted(bands, key=lambda band: (-band[0], band[1] is None)):
        if a <= above and t in (None, tier) and unit in bands[(a, t)]:
            return bands[(a, t)][unit]
    return None


def mend(vendor, name, bands):
    """Leaves out what is no price, and adds the one that is known to follow from another."""
    bands = {band: dict(cells) for band, cells in bands.items()}
    tokens = any(price > 0 for cells in bands.values() for unit, price in cells.items() if unit not in PIECES)
    for cells in bands.values():
        for unit in list(cells):
            # A zero stands for "not told" there. What is paid by token is not paid by the image or second as well: such
            # a figure is what the vendor reckons a typical one to cost.
            nothing = cells[unit] == 0 and not name.endswith(":free")
            twice = tokens and unit in ("image", "second")
            if nothing or twice:
                del cells[unit]
        # Anthropic's price page: a write for five minutes costs 1.25 times the input, one for an hour twice the input.
        five = cells.get("cache_write_5m")
        if "claude" in name and five and "cache_write_1h" not in cells and five == cells.get("input", 0) * Decimal("1.25"):
            cells["cache_write_1h"] = cells["input"] * 2
    for (above, tier), cells in bands.items():
        # A write that is cheaper than the input is rent for the storage, on top of it.
        fresh = resolve(bands, above, tier, "input")
        for unit in [unit for unit in cells if unit.startswith("cache_write") and "." not in unit]:
            if fresh is not None and cells[unit] < fresh:
                del cells[unit]
    return {band: cells for band, cells in bands.items() if cells}


def tidy(bands):
    """Leaves out what says nothing: equal to what holds without it. Nothing that is billed changes."""
    bands = {band: dict(cells) for band, cells in bands.items()}
    for unit in UNITS:
        bucket, _, modality = unit.partition(".")
        parent = {"reasoning": "output", "cache_read": "input"}.get(bucket, bucket)
        for text in [bucket] if modality else [parent] if bucket == "reasoning" else []:
            giving = [band for band in bands if unit in bands[band]]
            cached = modality and bucket == "cache_read" and any(f"input.{modality}" in cells for cells in bands.values())
            if giving and not cached and all(bands[band][unit] == resolve(bands, *band, text) for band in giving):
                for band in giving:
                    del bands[band][unit]
    for (above, tier), cells in bands.items():
        plain = bands.get((above, None), {})
        if tier and "times" not in cells:
            for unit in [unit for unit, price in cells.items() if plain.get(unit) == price]:
                del cells[unit]
    return {band: cells for band, cells in bands.items() if cells}


def oddities(bands):
    """What is wrong with a row, by name; the gateway checks the same."""
    found = set()
    base = bands.get((0, None), {})
    prices = [price for cells in bands.values() for unit, price in cells.items() if unit != "times"]
    if not any(prices):
        found.add("free")
    for above, tier in bands:
        unit = {name: resolve(bands, above, tier, name) for name in UNITS}
        if unit["input"] is None:
            continue
        if unit["output"] is None and unit["input"] > 20:
            found.add("dear")
        if unit["cache_read"] is not None and unit["cache_read"] > unit["input"]:
            found.add("cache_read")
        writes = [unit[f"cache_write_{life}"] for life in ("5m", "30m", "1h")]
        if any(write is not None and not unit["input"] <= write <= 4 * unit["input"] for write in writes):
            found.add("cache_write")
        told = tier is None or "output" in bands[(above, tier)]
        if told and unit["output"] is not None and any(prices) and not unit["input"] <= 2 * unit["output"] <= 60 * unit["input"]:
            found.add("output")
        for name in ("input", "output"):
            if unit[name] is not None and base.get(name) is not None:
                if tier is None and unit[name] < base[name]:
                    found.add("above")
                at = resolve(bands, above, None, name)
                if tier in ("batch", "flex") and at is not None and unit[name] > at:
                    found.add("cheap_tier")
                if tier in ("priority", "fast") and at is not None and unit[name] < at:
                    found.add("dear_tier")
    if any(cells.get(name, 0) > 1000 for cells in bands.values() for name in UNITS if name not in PIECES):
        found.add("dear")
    return found


def number(price):
    text = f"{price:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def text(bands):
    parts = []
    for above, tier in sorted(bands, key=lambda band: (band[1] is not None, band[1] or "", band[0])):
        cells = bands[(above, tier)]
        words = [f"above={above}"] * bool(above) + [f"tier={tier}"] * bool(tier)
        for unit in ["times", *UNITS]:
            if unit in cells:
                price = number(cells[unit])
                decimals = len(price.partition(".")[2])
                assert cells[unit] >= 0 and decimals <= (15 if unit in PIECES else 9), (unit, price)
                words.append(f"{unit}={price}")
        parts.append(" ".join(words))
    return "; ".join(parts)


def sound(vendor, name, bands):
    """Rounds what is finer than can be written, and says whether the row may be kept."""
    for cells in bands.values():
        for unit, price in cells.items():
            cells[unit] = round(price, 15 if unit in PIECES else 9)
    if (0, None) not in bands or any(price < 0 for cells in bands.values() for price in cells.values()):
        return False
    odd = oddities(bands)
    return not {kind for kind in odd if not any(v == vendor and fnmatch.fnmatchcase(name, m) and o == kind for v, m, o, _ in EXCUSES)}


def head(versions, licences, today):
    lines = [
        "Prices of language models, in US dollars: for a million tokens, or for one request, image, second or search.",
        "Written by scripts/prices.py; docs/prices.md says how a line is read.",
        "",
        f"The figures were taken on {today} from two public collections, both under the MIT licence:",
        f"genai-prices {versions['genai-prices']}, https://github.com/pydantic/genai-prices",
        f"litellm {versions['litellm']}, https://github.com/BerriAI/litellm",
        "",
        *licences,
    ]
    return "".join(f"# {line}".rstrip() + "\n" for line in lines)


def main():
    folder, today = pathlib.Path(sys.argv[1]), sys.argv[2]
    datetime.date.fromisoformat(today)
    report = "--report" in sys.argv
    dist = {path.name.split("-")[0]: path for path in folder.glob("*.dist-info")}
    versions = {name: dist[name.replace("-", "_")].name.split("-")[1].removesuffix(".dist") for name in ("genai-prices", "litellm")}
    versions = {name: version.removesuffix(".dist") for name, version in versions.items()}
    providers = genai_providers(folder / "genai_prices" / "data.py")
    litellm = folder / "litellm" / "model_prices_and_context_window_backup.json"
    sources, rows, dropped = {}, [], []
    for vendor in [*LITELLM, *(name for name in GENAI if name not in LITELLM)]:
        found = {}
        for name, limits, page, date, bands in litellm_rows(litellm, vendor, today):
            found.setdefault(name, (limits, ("litellm", page), date, tidy(mend(vendor, name, bands))))
        for name, limits, page, date, bands in genai_rows(providers[GENAI[vendor]], vendor, today) if vendor in GENAI else []:
            bands = tidy(mend(vendor, name, bands))
            if report and name in found:
                ours, theirs = (each.get((0, None), {}) for each in (found[name][3], bands))
                differ = [unit for unit in ("input", "output", "cache_read") if unit in theirs and ours.get(unit) != theirs[unit]]
                if differ:
                    print("differ:", vendor, name, *(f"{unit} {ours.get(unit)} / {theirs[unit]}" for unit in differ))
            if name in found:
                complete(found, name, bands, limits)
            found.setdefault(name, (limits, ("genai-prices", page), date, bands))
        for name, (limits, source, date, bands) in sorted(found.items()):
            if vendor in OWN and not OWN[vendor].search(name):
                continue
            if re.search(r"\s", name) or NO_MODELS.search(name) or not bands:
                continue
            if not sound(vendor, name, bands):
                dropped.append((vendor, name, sorted(oddities(bands)), text(bands)))
                continue
            at = sources.setdefault(source, len(sources))
            rows.append("\t".join(["price", vendor, name, *(str(limit or "") for limit in limits), str(at), date, text(bands)]))
    for vendor, name, odd, line in dropped:
        if report or odd:
            print("left out:", vendor, name, *odd, "|", line)
    licences = []
    for name in ("genai_prices", "litellm"):
        lines = (dist[name] / "licenses" / "LICENSE").read_text().splitlines()
        licences += [line for line in lines if line.startswith("Copyright")]
    notice = (dist["genai_prices"] / "licenses" / "LICENSE").read_text()
    licences += ["", *notice[notice.index("Permission is") :].splitlines()]
    with OUT.open("w") as out:
        out.write(head(versions, licences, today))
        out.write(f"version\t{today}\n")
        for collection, page in sources:
            of = ["litellm", "genai-prices"] if collection == "both" else [collection]
            out.write(f"source\t{' and '.join(f'{name} {versions[name]}' for name in of)}\t{page}\n")
        out.writelines(row + "\n" for row in rows)
        out.writelines(f"alias\t{alias}\t{vendor}\n" for alias, vendor in ALIASES.items())
        out.writelines("\t".join(["excuse", *excuse]) + "\n" for excuse in EXCUSES)
    print(f"{len(rows)} rows, {OUT.stat().st_size} bytes, {len(sources)} sources, {len(dropped)} left out")


if __name__ == "__main__":
    main()
