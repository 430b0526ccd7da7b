"""What ``--help`` prints."""

from __future__ import annotations

from mtsweep import commands

_EXAMPLES = """\
  python -m mtsweep -m lora.r=8,16                        two adapters, compared with the base model
  python -m mtsweep data.target_lang=deu_Latn             one run, English to German
  python -m mtsweep -m data.size=100,200,400              does more data help?
  python -m mtsweep -m model=qwen,llama lora.r=8,16       two models from the hub, two ranks each
  python -m mtsweep data=files data.train_file=my.jsonl data.source_lang=eng_Latn \\
      data.target_lang=fra_Latn lora=qlora                your own pairs, QLoRA"""


def help_text() -> str:
    """Groups, their options with a line each, and examples."""
    from mtsweep.compose import groups

    lines = [
        "mtsweep fine-tunes translation models in sweeps and ends with a comparison.",
        "",
        "usage: python -m mtsweep [-m] [group=option ...] [group.key=value ...]",
        "       python -m mtsweep COMMAND ... (COMMAND --help tells more)",
        "       -m: several values, separated by commas, make a sweep",
        "",
        "commands:",
        *(f"  {name:<10}  {told}" for name, told in commands.COMMANDS.items()),
        "",
    ]
    for group, options in groups().items():
        if not options:
            continue
        lines.append(f"{group}=")
        width = max(map(len, options))
        lines.extend(f"  {option:<{width}}  {told}" for option, told in options.items())
        lines.append("")
    lines += [
        "Keys are PEFT's (lora.r, lora.lora_alpha, …) and TrainingArguments' own "
        "(trainer.learning_rate, …);",
        "hydra/launcher=submitit_slurm (submitit_local, joblib, ray) does the runs in jobs;",
        "--cfg job prints the whole configuration, --hydra-help what Hydra adds.",
        "",
        "examples:",
        _EXAMPLES,
    ]
    return "\n".join(lines)
