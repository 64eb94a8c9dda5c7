#!/usr/bin/env python3
"""Uses `tina serve` with OpenAI's own Python client: everything, streaming and errors included.

    pip install openai prometheus_client
    tools/check/serve_openai.py [--tina PROGRAM]

Serves Pico with its adapter, and prints what was checked. Any failure ends it with a traceback.
"""

import argparse
import asyncio
import json
import os
import subprocess
import urllib.error
import urllib.request

import openai
from prometheus_client.parser import text_string_to_metric_families

from programs import PICO, Server, find_program

QUESTION = [{"role": "user", "content": "What is 12 + 3 * 4?"}]
checked = 0


def check(name, condition, *found):
    global checked
    assert condition, (name, *found)
    checked += 1
    print("ok", name)


def fails(name, kind, call, **wanted):
    """The call must raise this kind of error, with these members."""
    try:
        call()
    except kind as error:
        for key, value in wanted.items():
            check(f"{name}: {key}", getattr(error, key) == value, getattr(error, key), value)
        check(name, True)
        return error
    raise AssertionError(name + ": nothing was raised")


def models(client):
    listed = [model.id for model in client.models.list()]
    check("models are listed", listed == ["pico", "math"], listed)
    check("a model is told", client.models.retrieve("math").id == "math")
    check("a scaled model is told", client.models.retrieve("pico:math@0.5").id == "pico:math@0.5")
    fails("an unknown model is not told", openai.NotFoundError, lambda: client.models.retrieve("nobody"),
          code="model_not_found", param="model")


def chats(client, tina):
    whole = client.chat.completions.create(model="math", messages=QUESTION, seed=5)
    message = whole.choices[0].message
    check("reasoning apart from content", "</think>" not in message.content + message.reasoning_content
          and message.reasoning_content and message.content, message)
    check("finish reason", whole.choices[0].finish_reason == "stop")
    check("usage adds up", whole.usage.total_tokens == whole.usage.prompt_tokens + whole.usage.completion_tokens)
    run = subprocess.run(
        [tina, "run", PICO, "--adapter", PICO + "/adapter", "--seed", "5", "--json", QUESTION[0]["content"]],
        capture_output=True, text=True, check=True)
    text = json.loads(run.stdout)["text"]
    check("the same text as tina run", text == message.reasoning_content + "\n</think>\n" + message.content, text)

    again = client.chat.completions.create(model="math", messages=QUESTION, seed=5)
    check("a seed repeats", again.choices[0].message == message)
    unseeded = client.chat.completions.create(model="math", messages=QUESTION, temperature=1.5)
    repeated = client.chat.completions.create(model="math", messages=QUESTION, temperature=1.5, seed=unseeded.seed)
    check("a drawn seed is told, and repeats", repeated.choices[0].message == unseeded.choices[0].message)

    several = client.chat.completions.create(model="math", messages=QUESTION, seed=5, n=4, temperature=2)
    check("n answers", [choice.index for choice in several.choices] == [0, 1, 2, 3])
    check("they differ", len({str(choice.message) for choice in several.choices}) > 1)
    first = client.chat.completions.create(model="math", messages=QUESTION, seed=5, temperature=2)
    check("the first is that of n = 1", first.choices[0].message == several.choices[0].message)

    listed = client.chat.completions.create(
        model="math", messages=QUESTION, seed=5, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    text = b"".join(bytes(entry.bytes) for entry in listed).decode()
    check("logprobs spell the text", text == message.reasoning_content + "\n</think>\n" + message.content, text)
    check("the likeliest come first", all(
        entry.top_logprobs[0].logprob >= entry.top_logprobs[1].logprob >= entry.top_logprobs[2].logprob
        and entry.logprob <= entry.top_logprobs[0].logprob for entry in listed))

    stopped = client.chat.completions.create(model="math", messages=QUESTION, seed=5, stop=["boxed"])
    choice = stopped.choices[0]
    check("stop texts", choice.finish_reason == "stop" and "boxed" not in choice.message.content)
    short = client.chat.completions.create(model="math", messages=QUESTION, max_tokens=4)
    check("max_tokens", short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 4)
    short = client.chat.completions.create(model="math", messages=QUESTION, max_completion_tokens=4)
    check("max_completion_tokens", short.usage.completion_tokens == 4)
    greedy = [client.chat.completions.create(model="math", messages=QUESTION, temperature=0, seed=seed)
              for seed in (1, 2)]
    check("temperature 0 needs no seed", greedy[0].choices[0].message == greedy[1].choices[0].message)
    talk = QUESTION + [{"role": "assistant", "content": message.content}, {"role": "user", "content": "What is 2 + 2?"}]
    check("a conversation", client.chat.completions.create(
        model="math", messages=[{"role": "developer", "content": "Be brief."}] + talk).choices[0].message.content)
    texts = [{"type": "text", "text": text} for text in ("What is 12 ", "+ 3 * 4?")]
    parts = [{"role": "user", "content": texts}]
    check("content in parts", client.chat.completions.create(
        model="math", messages=parts, seed=5).choices[0].message == message)
    own = client.chat.completions.create(
        model="math", messages=QUESTION, seed=5, extra_body={"top_k": 1, "min_p": 0.1, "repetition_penalty": 1.1})
    check("Tina's own settings", own.choices[0].message.content)
    scaled = {scale: client.chat.completions.create(
        model=f"pico:math@{scale}", messages=QUESTION, seed=5, temperature=2).choices[0].message
        for scale in (0, 0.5, 1)}
    base = client.chat.completions.create(model="pico", messages=QUESTION, seed=5, temperature=2).choices[0].message
    check("scale 0 is the base", scaled[0] == base)
    check("scales differ", len({str(message) for message in scaled.values()}) == 3)


def streams(client):
    settings = dict(model="math", messages=QUESTION, seed=9, n=2, temperature=2, logprobs=True, top_logprobs=1)
    whole = client.chat.completions.create(**settings)
    content, reasoning, reasons, listed = ["", ""], ["", ""], [None, None], [[], []]
    usage = None
    for chunk in client.chat.completions.create(**settings, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            content[choice.index] += choice.delta.content or ""
            reasoning[choice.index] += getattr(choice.delta, "reasoning_content", None) or ""
            reasons[choice.index] = choice.finish_reason or reasons[choice.index]
            listed[choice.index] += choice.logprobs.content if choice.logprobs else []
    for index, choice in enumerate(whole.choices):
        check(f"stream {index} says the same", (content[index], reasoning[index], reasons[index], listed[index]) == (
            choice.message.content, choice.message.reasoning_content or "", choice.finish_reason,
            choice.logprobs.content))
    check("usage of a stream", usage.completion_tokens == whole.usage.completion_tokens
          and usage.total_tokens == whole.usage.total_tokens, usage)
    cached = usage.prompt_tokens_details.cached_tokens
    check("cached tokens of a prompt that came before", 0 <= cached < usage.prompt_tokens, usage)
    with client.chat.completions.create(model="math", messages=QUESTION, stream=True, temperature=2) as left:
        next(iter(left))
    check("a stream may be left", True)
    with client.chat.completions.stream(model="math", messages=QUESTION, seed=5) as stream:
        final = stream.get_final_completion()
    check("the client's own assembling", final.choices[0].message.content)


def together(client):
    """The asynchronous client: many at once, over adapters and scales, are what they are one after another."""
    models = ["pico", "math", "math@0.5", "math@-0.5"]
    settings = [dict(model=models[i % 4], messages=QUESTION, seed=i, temperature=1.5) for i in range(16)]
    alone = [client.chat.completions.create(**one).choices[0].message.content for one in settings]

    async def streamed(many, one):
        text = ""
        async for chunk in await many.chat.completions.create(**one, stream=True):
            text += chunk.choices[0].delta.content or ""
        return text

    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=client.base_url, api_key=client.api_key, max_retries=0) as many:
            return await asyncio.gather(*(streamed(many, one) for one in settings))

    check("16 at once", asyncio.run(all_at_once()) == alone, alone)
    check("they differ from each other", len(set(alone)) > 4)


def busy(tina):
    """A server that takes one request at a time and lets none wait."""
    with Server(PICO, "--max-running", "1", "--max-queue", "0", "--max-tokens", "500", "--quiet", tina=tina) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="none", max_retries=0)
        # Texts of chance go on for long.
        long = dict(model="pico", prompt=list(range(4, 100)), n=64, seed=1, max_tokens=500, temperature=2)
        fails("more than --max-tokens", openai.BadRequestError, lambda: client.completions.create(
            model="pico", prompt="1", max_tokens=501), param="max_tokens")
        check("one request's answers take turns", len(client.completions.create(
            model="pico", prompt="1", n=2).choices) == 2)
        with client.completions.create(**long, stream=True) as stream:
            next(iter(stream))
            error = fails("a full server", openai.RateLimitError, lambda: client.completions.create(**long),
                          code="queue_full")
            check("it says when to come again", int(error.response.headers["retry-after"]) >= 1)
            patient = client.with_options(max_retries=5)
            # The client comes again when it was told to, and by then the first is done.
            check("the client's own patience", patient.completions.create(
                model="pico", prompt="1", max_tokens=2).usage.completion_tokens <= 2)
        with client.completions.create(**long, stream=True) as stream:
            pieces = iter(stream)
            next(pieces)
            server.terminate()
            while True:  # until the signal has come through
                try:
                    urllib.request.urlopen(server.url + "/health").close()
                except urllib.error.HTTPError as error:
                    check("not healthy while it stops", error.code == 503)
                    break
            fails("a server that stops", openai.InternalServerError, lambda: client.completions.create(**long),
                  status_code=503, code="stopping")
            reasons = [chunk.choices[0].finish_reason for chunk in pieces]
            check("what had begun is finished", reasons[-1] in ("stop", "length"), reasons[-1])
        code, _ = server.wait()
        check("and the exit code is 0", code == 0, code)


def completions(client):
    settings = dict(model="pico", prompt=["1 + 1 =", "2 + 2 ="], n=2, max_tokens=8, seed=3, temperature=1, logprobs=2)
    whole = client.completions.create(**settings)
    texts = [""] * 4
    for chunk in client.completions.create(**settings, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.text
    check("plain completions", [choice.text for choice in whole.choices] == texts and len(texts) == 4)
    logprobs = [choice.logprobs for choice in whole.choices]
    check("their logprobs", all(len(each.token_logprobs) == len(each.tokens) for each in logprobs))
    check("16 tokens by default", client.completions.create(
        model="pico", prompt="1", temperature=2).usage.completion_tokens <= 16)
    ids = client.completions.create(model="pico", prompt=[5, 6, 7], max_tokens=3, seed=1)
    check("token ids", ids.usage.prompt_tokens == 3)


def errors(client, url):
    create = client.chat.completions.create
    fails("unknown model", openai.NotFoundError, lambda: create(model="gpt-4", messages=QUESTION),
          code="model_not_found")
    fails("tools", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, tools=[{"type": "function", "function": {"name": "f"}}]), param="tools")
    fails("JSON mode", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, response_format={"type": "json_object"}), param="response_format")
    fails("logit_bias", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, logit_bias={"5": 1}), param="logit_bias")
    fails("a misspelt field", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, extra_body={"temprature": 1}), param="temprature")
    fails("temperature", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, temperature=3), param="temperature")
    fails("too long a prompt", openai.BadRequestError, lambda: create(
        model="math", messages=[{"role": "user", "content": "1 " * 5000}]), code="context_length_exceeded")
    fails("errors before a stream", openai.BadRequestError, lambda: create(
        model="math", messages=QUESTION, stream=True, top_logprobs=3), param="top_logprobs")
    stranger = openai.OpenAI(base_url=url + "/v1", api_key="wrong", max_retries=0)
    fails("a wrong key", openai.AuthenticationError, stranger.models.list, code="invalid_api_key")


def adapters(client):
    post = lambda path, body: client.post(path, body=body, cast_to=str)
    post("/load_lora_adapter", {"lora_name": "second", "lora_path": "adapter"})
    check("an adapter is loaded", [model.id for model in client.models.list()] == ["pico", "math", "second"])
    same = [client.chat.completions.create(model=name, messages=QUESTION, seed=5).choices[0].message
            for name in ("math", "second")]
    check("it answers as the same file does", same[0] == same[1])
    fails("a taken name", openai.BadRequestError, lambda: post(
        "/load_lora_adapter", {"lora_name": "second", "lora_path": "adapter"}), code="adapter_exists")
    post("/load_lora_adapter", {"lora_name": "second", "lora_path": "adapter", "load_inplace": True})
    for path in ("../..", "/etc", "missing", "adapter/../../../README.md"):
        fails("nothing outside the folder: " + path, openai.NotFoundError, lambda: post(
            "/load_lora_adapter", {"lora_name": "third", "lora_path": path}), param="lora_path")
    post("/unload_lora_adapter", {"lora_name": "second"})
    fails("unloaded", openai.NotFoundError, lambda: client.chat.completions.create(model="second", messages=QUESTION))
    fails("unloaded twice", openai.NotFoundError, lambda: post("/unload_lora_adapter", {"lora_name": "second"}))


def is_well_named(family):
    """What `promtool check metrics` would say: help, type, endings, and buckets that add up."""
    values = [sample.value for sample in family.samples]
    if family.type == "counter":
        return family.documentation and all(sample.name == family.name + "_total" for sample in family.samples)
    if family.type == "histogram":
        buckets = [sample.value for sample in family.samples if sample.name.endswith("_bucket")]
        return (family.documentation and family.name.endswith("_seconds") and buckets == sorted(buckets)
                and family.samples[len(buckets) - 1].labels == {"le": "+Inf"} and values[-1] == buckets[-1])
    return (family.documentation and family.type == "gauge"
            and not family.name.endswith(("_total", "_count", "_sum", "_bucket")))


def responses(client):
    first = client.responses.create(model="math", input="What is 12 + 3 * 4?", extra_body={"seed": 5})
    chat = client.chat.completions.create(model="math", messages=QUESTION, seed=5).choices[0].message
    check("a response says what a chat says", first.output_text == chat.content, first.output_text, chat.content)
    check("its thinking is an item", first.output[0].type == "reasoning"
          and first.output[0].content[0].text == chat.reasoning_content)
    check("a response is whole", first.status == "completed" and first.usage.output_tokens_details.reasoning_tokens > 0)
    with client.responses.stream(model="math", input="What is 12 + 3 * 4?", extra_body={"seed": 5}) as stream:
        kinds = [event.type for event in stream]
        last = stream.get_final_response()
    check("a streamed response is the same", last.output_text == first.output_text and "error" not in kinds)
    again = client.responses.create(
        model="math", instructions="Be brief.", max_output_tokens=5, store=False,
        input=[*QUESTION, *first.output, {"role": "user", "content": "What is 2 + 2?"}])
    check("output sent back is taken", again.status == "incomplete"
          and again.incomplete_details.reason == "max_output_tokens", again)
    fails("no earlier response is kept", openai.BadRequestError, param="previous_response_id",
          call=lambda: client.responses.create(model="math", input="x", previous_response_id="resp_1"))
    reply = client.chat.completions.create(model="math", messages=QUESTION, temperature=0)
    turns = [*QUESTION, reply.choices[0].message, {"role": "user", "content": "What is 4 + 4?"}]
    second = client.chat.completions.create(model="math", messages=turns, temperature=0)
    check("an answer sent back is taken", second.choices[0].message.content is not None)


def others(client, url, key):
    def get(path):
        request = urllib.request.Request(url + path, headers={"Authorization": "Bearer " + key})
        with urllib.request.urlopen(request) as reply:
            return reply.read().decode()

    check("health", json.loads(get("/health"))["status"] == "ok")
    families = {family.name: family for family in text_string_to_metric_families(get("/metrics"))}
    check("metrics are named as Prometheus wants them", all(map(is_well_named, families.values())))
    served = sum(sample.value for sample in families["tina_requests"].samples)
    kind = families["tina_time_to_first_token_seconds"].type
    check("metrics are Prometheus text", served > 20 and kind == "histogram")
    root = client.with_options(base_url=url)
    tokens = root.post("/tokenize", body={"prompt": "1 + 1 é", "add_special_tokens": False}, cast_to=object)
    text = root.post("/detokenize", body={"tokens": tokens["tokens"]}, cast_to=object)
    check("tokens and back", text["prompt"] == "1 + 1 é" and tokens["count"] == len(tokens["tokens"]))
    check("the page", "<title>Tina</title>" in get("/"))


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tina", help="the program; the built one unless given")
    tina = os.path.abspath(find_program(options.parse_args().tina))
    key = "a-secret"
    with Server(PICO, "--adapter", "math=" + PICO + "/adapter", "--adapter-dir", PICO, tina=tina,
                environment={"TINA_API_KEY": key}) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0)
        models(client)
        chats(client, tina)
        streams(client)
        together(client)
        completions(client)
        errors(client, server.url)
        adapters(client)
        responses(client)
        others(client, server.url, key)
        server.terminate()
        code, _ = server.wait()
        check("it stops with 0", code == 0, code)
        check("the log is JSON without contents", all(
            json.loads(line)["status"] for line in server.lines if line.startswith("{"))
            and "12 + 3" not in "\n".join(server.lines))
    busy(tina)
    print(f"{checked} checks with openai {openai.__version__}")


if __name__ == "__main__":
    main()
