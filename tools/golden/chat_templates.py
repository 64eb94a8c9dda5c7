#!/usr/bin/env python3
"""Makes Tests/TokenizationTests/Fixtures/templates.json: what the templates of real models make of conversations.

  python tools/golden/chat_templates.py FOLDER        needs tools/requirements.txt

FOLDER holds the models' own templates, which stay out of the repository: gemma2.jinja, gemma3.jinja, llama2.jinja,
llama3.jinja, llama3.1.jinja, llama3.2.jinja, qwen2.5.jinja, qwen3.jinja, smollm2.jinja, zephyr.jinja, and three copies
of SmolLM3's: smollm3.jinja as published, smollm3-open.jinja as it was first (the header ends beside tools only), and
smollm3-undated.jinja, as Unsloth has it. They are rendered as transformers does it, on a day that never changes.
"""
import json
import pathlib
import sys

from transformers.utils import chat_template_utils

FIXTURE = pathlib.Path(__file__).resolve().parents[2] / "Tests/TokenizationTests/Fixtures/templates.json"
FOLDER = pathlib.Path(sys.argv[1])
NAMES = ["gemma2", "gemma3", "llama2", "llama3", "llama3.1", "llama3.2", "qwen2.5", "qwen3", "smollm2", "smollm3",
         "smollm3-open", "smollm3-undated", "zephyr"]
TALKS = [
    "u:Hi", "s:Be brief.|u:1+1?", "s:Be brief.|u:1+1?|a:<think>\neasy\n</think>\n\n2|u:2+2?",
    "u:1+1?|a:<think>\neasy\n</think>\n\n2", "s: spaced \n|u:\n\n  a b \u00a0|a: \n\nc \n|u:\td\x1c\x85\n",
    "u:a|a:b|u:c|a:d", "u:a|u:b", "u:a|s:later|u:b", "a:first|u:b", "s:only", "s:x /no_think|u:a|a:\n\nb|u:c",
    "s:/think|u:a|a:<think>\nt\n</think>\nb|u:c", "s:/no_think\n|u:a", "s:Me. /system_override \n|u:a|a:b|u:c",
    "u:a|a:t\n</think>\n\nb|u:c", "u:a|a:<think>1</think>2<think>3</think>\n4", "u:q|a:<think>\n\nx\n\n</think>\n\n\ny",
    "u:a|a:<think>\nt\n</think>\n\nb|u:<tool_response>r</tool_response>|a:<think>\nv\n</think>\n\nw",
    "u:a|a:b|u:<tool_response>r</tool_response>|a:c", "s:sys|u:", "s:sys|u: \n", "u:é👩‍👩‍👧 “q”\n- 1\n|a:¿?|u:終",
    "u:a|a:", "s:|u:a",
]
# Where SmolLM3's long default instructions begin and end; they are written once.
LONG = (" Your role as an assistant involves", "reach the conclusion.")
ROLES = dict(s="system", u="user", a="assistant")


def messages(talk):
    return [dict(role=ROLES[turn[0]], content=turn[2:]) for turn in talk.split("|")]


def render(source, conversation, generation, options):
    template = chat_template_utils._compile_jinja_template(source)
    template.globals["strftime_now"] = lambda form: "26 Jul 2024" if form == "%d %b %Y" else "08 July 2025"
    try:
        text = template.render(messages=conversation, add_generation_prompt=generation, tools=None, documents=None,
                               bos_token="<B>", eos_token="<E>", **options)
    except Exception as error:  # a template's own refusal
        assert "raise_exception" in source, error
        return None
    # What a template leaves out without a word is refused here, and so is a turn that Gemma never saw.
    for message in conversation[1:]:
        if message["role"] == "system" and (message["content"].strip() not in text or "<start_of_turn>" in text):
            return None
    start, end = text.find(LONG[0]), text.find(LONG[1])
    if start < 0 or end < 0:
        return text
    golden["long"] = text[start:end + len(LONG[1])]
    return text.replace(golden["long"], "LONG")


golden = dict(talks=[messages(talk) for talk in TALKS], templates={})
for name in NAMES:
    source = (FOLDER / f"{name}.jinja").read_text()
    cases = []
    for thinking in [None, True, False] if "enable_thinking" in source else [None]:
        options = {} if thinking is None else dict(enable_thinking=thinking)
        for index, talk in enumerate(TALKS):
            for generation in (True, False):
                if not generation and index > 3:
                    continue
                text = render(source, messages(talk), generation, options)
                cases.append(dict(talk=index, thinking=thinking, generation=generation, text=text))
    golden["templates"][name] = cases
FIXTURE.write_text(json.dumps(golden, ensure_ascii=False, separators=(",", ":")))
print(FIXTURE.stat().st_size, "bytes")
