"""Into a live model of PEFT: the logits are those of the PEFT directory, bit for bit."""

import pathlib
import re

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
library = pytest.importorskip("peft")

import tina  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]


def base(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    config = transformers.Qwen2Config(
        hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=101, max_position_embeddings=64,
    )  # fmt: skip
    return transformers.Qwen2ForCausalLM(config).to(dtype).eval()


def trained(model, name="default", **options):
    """A PeftModel whose pairs are not zero."""
    config = library.LoraConfig(r=4, lora_alpha=12, target_modules=["q_proj", "up_proj", "down_proj"], **options)
    wrapped = library.get_peft_model(model, config, adapter_name=name)
    torch.manual_seed(7)
    for key, parameter in wrapped.named_parameters():
        if "lora_B" in key:
            torch.nn.init.normal_(parameter, std=0.05)
    return wrapped.eval()


def logits(model):
    with torch.no_grad():
        return model(input_ids=torch.arange(24).reshape(2, 12)).logits


@pytest.mark.parametrize("options", [
    {}, {"use_rslora": True}, {"rank_pattern": {"layers.1.mlp.up_proj": 2}, "alpha_pattern": {"q_proj": 3}},
    {"use_dora": True},
])  # fmt: skip
@pytest.mark.parametrize("plain", [False, True])
def test_logits_equal_those_of_the_peft_directory(tmp_path, options, plain):
    wrapped = trained(base(), **options)
    wrapped.save_pretrained(tmp_path / "peft")
    tina.peft.save_adapter(wrapped, tmp_path / "a.tina", plain=plain, base=tina.identify(base()))
    expected = logits(library.PeftModel.from_pretrained(base(), tmp_path / "peft").eval())
    assert torch.equal(expected, logits(wrapped))
    found = tina.peft.load_adapter(base(), tmp_path / "a.tina")
    assert isinstance(found, library.PeftModel) and torch.equal(logits(found), expected)
    assert not torch.equal(logits(base()), expected)
    assert not any(parameter.requires_grad for name, parameter in found.named_parameters() if "lora_" in name)
    # The directory that the file gives back is PEFT's.
    tina.to_peft(tmp_path / "a.tina", tmp_path / "again")
    assert torch.equal(logits(library.PeftModel.from_pretrained(base(), tmp_path / "again").eval()), expected)


def test_bf16(tmp_path):
    wrapped = trained(base(dtype=torch.bfloat16)).to(torch.bfloat16)
    wrapped.save_pretrained(tmp_path / "peft")
    tina.peft.save_adapter(wrapped, tmp_path / "a.tina")
    with tina.safe_open(tmp_path / "a.tina", framework="pt") as file:
        state = library.get_peft_model_state_dict(wrapped)
        assert all(torch.equal(file.get_tensor(name), state[name]) for name in state)
        assert {file.get_slice(name).get_dtype() for name in state} == {"BF16"}
    expected = logits(library.PeftModel.from_pretrained(base(dtype=torch.bfloat16), tmp_path / "peft").eval())
    assert torch.equal(logits(tina.peft.load_adapter(base(dtype=torch.bfloat16), tmp_path / "a.tina")), expected)


def test_several_adapters_in_one_model(tmp_path):
    tina.peft.save_adapter(trained(base()), tmp_path / "a.tina")
    model = tina.peft.load_adapter(base(), tmp_path / "a.tina", "first")
    assert tina.peft.load_adapter(model, tmp_path / "a.tina", "second") is model
    assert set(model.peft_config) == {"first", "second"} and model.active_adapter == "second"
    with pytest.raises(tina.AdapterError, match="another adapter_name"):
        tina.peft.load_adapter(model, tmp_path / "a.tina", "second")


def test_another_base_is_refused(tmp_path):
    model = base()
    identity = tina.identify(model)
    tina.peft.save_adapter(trained(base()), tmp_path / "a.tina", base=identity)
    assert tina.info(tmp_path / "a.tina").base == identity
    assert identity.compare(model).outcome == "same" and identity.compare(base(dtype=torch.bfloat16)).is_same
    assert identity.compare(trained(base())).outcome == "same"
    with pytest.raises(tina.AdapterError, match="other weights"):
        tina.peft.load_adapter(base(seed=1), tmp_path / "a.tina")
    tina.peft.load_adapter(base(seed=1), tmp_path / "a.tina", check_base=False)
    model.save_pretrained(tmp_path / "model")
    assert tina.identify(tmp_path / "model") == identity


def test_what_does_not_fit_changes_nothing(tmp_path):
    tina.peft.save_adapter(trained(base()), tmp_path / "a.tina")
    other = transformers.Qwen2Config(
        hidden_size=32, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
        vocab_size=101,
    )  # fmt: skip
    with pytest.raises(tina.AdapterError, match="do not fit"):
        tina.peft.load_adapter(transformers.Qwen2ForCausalLM(other), tmp_path / "a.tina")


def test_documented_lines(tmp_path, monkeypatch):
    """The ten lines of the guide, on Pico."""
    text = (ROOT / "docs/guide/python.md").read_text()
    lines = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "load_adapter" in block)
    assert len([line for line in lines.splitlines() if line.strip()]) <= 10
    pico = ROOT / "Models/pico"
    peft = library.PeftModel.from_pretrained(
        transformers.AutoModelForCausalLM.from_pretrained(pico), pico / "adapter"
    ).eval()
    tensors = {name: np.asarray(value) for name, value in library.get_peft_model_state_dict(peft).items()}
    config = __import__("json").loads((pico / "adapter/adapter_config.json").read_text())
    tina.save_file(tensors, tmp_path / "adapter.tina", config, base=tina.identify(pico))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").symlink_to(pico)
    names = {}
    exec(compile(lines, "python.md", "exec"), names)
    ids = names["inputs"]["input_ids"]
    with torch.no_grad():
        assert torch.equal(names["model"](input_ids=ids).logits, peft(input_ids=ids).logits)
        sampled = [model.generate(ids, max_new_tokens=20, do_sample=False) for model in (names["model"], peft)]
        assert torch.equal(*sampled)
