"""The same work without mtsweep, as people write it: each function is a script of its own.

``rivals.py score ASKED [ADAPTER]``: what one scores a checkpoint with, after ``trl sft``.
``rivals.py loop ASKED``: one process that trains and scores every setting, in plain PEFT.

``ASKED`` is a JSON file that ``engine.py`` writes: model, data, settings. They compute no
intervals, no signs of degeneration, no pictures and no report, so they have a little less to do.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def score(model, tokenizer, asked):
    """Greedy translations of the test set in batches of like length, BLEU and chrF."""
    import torch
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    rows = [json.loads(line) for line in Path(asked["test"]).read_text().splitlines()]
    order = sorted(range(len(rows)), key=lambda index: len(rows[index]["prompt"]), reverse=True)
    said, batch = {}, asked["batch"]
    tokenizer.padding_side = "left"
    for start in range(0, len(order), batch):
        places = order[start : start + batch]
        inputs = tokenizer([rows[place]["prompt"] for place in places], return_tensors="pt",
                           padding=True)  # fmt: skip
        with torch.no_grad():
            output = model.generate(
                input_ids=inputs["input_ids"],
                attention_mask=inputs["attention_mask"],
                do_sample=False,
                max_new_tokens=asked["limit"],
                pad_token_id=tokenizer.pad_token_id,
            )
        new = output[:, inputs["input_ids"].shape[1] :]
        texts = tokenizer.batch_decode(new, skip_special_tokens=True)
        said.update(zip(places, (text.strip() for text in texts), strict=True))
    hypotheses = [said[place] for place in range(len(rows))]
    references = [[row["reference"] for row in rows]]
    scores = {
        "bleu": BLEU().corpus_score(hypotheses, references).score,
        "chrf": CHRF().corpus_score(hypotheses, references).score,
    }
    return scores, hypotheses


def keep(folder, told):
    scores, hypotheses = told
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "hypotheses.txt").write_text("\n".join(hypotheses))
    (folder / "scores.json").write_text(json.dumps(scores))
    print(folder.name, scores)


def main_score(asked, adapter):
    from peft import PeftModel
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"])
    if adapter:
        model = PeftModel.from_pretrained(model, adapter)
    model.eval()
    keep(Path(adapter or "base"), score(model, tokenizer, asked))


def main_loop(asked):
    from datasets import load_dataset
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM, AutoTokenizer, set_seed
    from trl.trainer.sft_config import SFTConfig
    from trl.trainer.sft_trainer import SFTTrainer

    tokenizer = AutoTokenizer.from_pretrained(asked["model"])
    model = AutoModelForCausalLM.from_pretrained(asked["model"])
    keep(Path("base"), score(model, tokenizer, asked))
    data = load_dataset(asked["data"])
    for setting in asked["settings"]:
        folder = Path(setting["name"])
        set_seed(setting["seed"])
        lora = LoraConfig(r=setting["r"], lora_alpha=16, target_modules="all-linear",
                          task_type="CAUSAL_LM")  # fmt: skip
        tuned = get_peft_model(model, lora)
        args = SFTConfig(
            output_dir=str(folder), seed=setting["seed"], run_name=folder.name, **asked["trainer"]
        )
        trainer = SFTTrainer(model=tuned, args=args, train_dataset=data["train"],
                             eval_dataset=data["test"], processing_class=tokenizer)  # fmt: skip
        trainer.train()
        trainer.save_model(str(folder))
        if args.report_to == ["wandb"]:
            import wandb

            wandb.finish()
        tuned.eval()
        keep(folder, score(tuned, tokenizer, asked))
        model = tuned.unload()


if __name__ == "__main__":
    what, path, *rest = sys.argv[1:]
    asked = json.loads(Path(path).read_text())
    if what == "score":
        main_score(asked, rest[0] if rest else None)
    else:
        main_loop(asked)
