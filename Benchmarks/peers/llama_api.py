"""llama.cpp through its C API, as much of it as the comparisons need. Its own batched benchmark ignores adapters."""
import ctypes

import llama_cpp as L

log = L.llama_log_callback(lambda level, text, data: None)
L.llama_log_set(log, ctypes.c_void_p(0))
L.llama_backend_init()


def load(path):
    model = L.llama_model_load_from_file(path.encode(), L.llama_model_default_params())
    assert model, f"{path}: llama.cpp did not load the model"
    return model


def context(model, tokens, sequences, threads):
    p = L.llama_context_default_params()
    p.n_ctx, p.n_batch, p.n_ubatch, p.n_seq_max = tokens, 512, 512, sequences
    p.n_threads = p.n_threads_batch = threads
    p.kv_unified = True  # a prompt that sequences share is held once
    made = L.llama_init_from_model(model, p)
    assert made, "llama.cpp made no context"
    return made


def adapter(model, path):
    lora = L.llama_adapter_lora_init(model, path.encode())
    assert lora, f"{path}: llama.cpp did not load the adapter"
    return lora


def attach(ctx, lora):
    """The adapter, or None for the base alone."""
    loras = (L.llama_adapter_lora_p_ctypes * 1)(lora)
    assert L.llama_set_adapters_lora(ctx, loras, int(lora is not None), (ctypes.c_float * 1)(1.0)) == 0


def clear(ctx):
    L.llama_memory_clear(L.llama_get_memory(ctx), True)


def share(ctx, sequences):
    """What sequence 0 holds, for the others too."""
    for s in range(1, sequences):
        L.llama_memory_seq_cp(L.llama_get_memory(ctx), 0, s, -1, -1)


def decode(ctx, rows):
    """rows: (token, position, sequence, whether logits are wanted)"""
    batch = L.llama_batch_init(len(rows), 0, 1)
    batch.n_tokens = len(rows)
    for i, (token, position, sequence, logits) in enumerate(rows):
        batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, position, 1
        batch.seq_id[i][0], batch.logits[i] = sequence, logits
    assert L.llama_decode(ctx, batch) == 0, "llama_decode failed"
    L.llama_synchronize(ctx)
    L.llama_batch_free(batch)


def free(ctx):
    L.llama_free(ctx)


def free_model(model):
    L.llama_model_free(model)


def version():
    return f"llama-cpp-python {L.__version__}, {L.llama_print_system_info().decode()}"


def token(ctx, i):
    """Some ordinary token of the vocabulary."""
    return (i * 7919 + 13) % min(L.llama_vocab_n_tokens(L.llama_model_get_vocab(L.llama_get_model(ctx))), 150000)


def prompt(ctx, count):
    decode(ctx, [(token(ctx, i), i, 0, i == count - 1) for i in range(count)])
