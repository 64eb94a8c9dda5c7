/// Configurations of well-known models, for random weights of their shapes.
extension RandomModel {
  /// By name, as their makers publish them.
  public static let shapes: [(name: String, config: String)] = [
    ("r1-distill-qwen-1.5b", shape1B5), ("qwen3-0.6b", qwen3), ("llama-3.2-1b", llama), ("gemma-3-1b", gemma),
    ("smollm2-135m", smol),
  ]

  private static let qwen3 = #"""
    {"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_act": "silu", "hidden_size": 1024,
     "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
     "head_dim": 128, "vocab_size": 151936, "max_position_embeddings": 40960, "rms_norm_eps": 1e-06,
     "rope_theta": 1000000, "attention_bias": false, "sliding_window": null, "use_sliding_window": false,
     "tie_word_embeddings": true, "torch_dtype": "bfloat16", "bos_token_id": 151643, "eos_token_id": 151645}
    """#

  private static let llama = #"""
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 2048,
     "intermediate_size": 8192, "num_hidden_layers": 16, "num_attention_heads": 32, "num_key_value_heads": 8,
     "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 131072, "rms_norm_eps": 1e-05,
     "rope_theta": 500000.0, "rope_scaling": {"factor": 32.0, "high_freq_factor": 4.0, "low_freq_factor": 1.0,
     "original_max_position_embeddings": 8192, "rope_type": "llama3"}, "attention_bias": false, "mlp_bias": false,
     "tie_word_embeddings": true, "torch_dtype": "bfloat16", "bos_token_id": 128000, "eos_token_id": 128001}
    """#

  private static let gemma = #"""
    {"architectures": ["Gemma3ForCausalLM"], "model_type": "gemma3_text", "hidden_activation": "gelu_pytorch_tanh",
     "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26, "num_attention_heads": 4,
     "num_key_value_heads": 1, "head_dim": 256, "vocab_size": 262144, "max_position_embeddings": 32768,
     "rms_norm_eps": 1e-06, "rope_theta": 1000000, "rope_local_base_freq": 10000, "rope_scaling": null,
     "query_pre_attn_scalar": 256, "sliding_window": 512, "sliding_window_pattern": 6, "attention_bias": false,
     "attn_logit_softcapping": null, "final_logit_softcapping": null, "torch_dtype": "bfloat16", "bos_token_id": 2,
     "eos_token_id": [1, 106]}
    """#

  private static let smol = #"""
    {"architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_act": "silu", "hidden_size": 576,
     "intermediate_size": 1536, "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
     "vocab_size": 49152, "max_position_embeddings": 8192, "rms_norm_eps": 1e-05, "rope_theta": 100000,
     "rope_interleaved": false, "rope_scaling": null, "attention_bias": false, "mlp_bias": false,
     "tie_word_embeddings": true, "torch_dtype": "bfloat16", "bos_token_id": 1, "eos_token_id": 2}
    """#
}
