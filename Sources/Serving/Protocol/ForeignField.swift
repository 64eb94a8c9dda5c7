import ModelFiles
import Support

/// A field that OpenAI's API, vLLM or llama-server knows and Tina does not, with the values that ask for nothing.
///
/// These are labels of the caller's own, and what those servers do by themselves.
struct ForeignField: Sendable {
  /// Values that ask for nothing.
  enum Harmless: Sendable {
    /// A label of the caller's, or a setting of something that is switched off.
    case anything
    case flag(Bool)
    case number(Double)
    case word(String)
    /// An empty text, array or object.
    case empty
    /// An array of this word alone.
    case only(String)
    /// An object of this kind and nothing else.
    case kind(String)

    func covers(_ value: JSONValue) -> Bool {
      switch self {
      case .anything: true
      case .flag(let flag): value.bool == flag
      case .number(let number): RequestFields.number(value) == number
      case .word(let word): value.string?.isSame(as: word) == true
      case .empty:
        value.string?.utf8.isEmpty == true || value.array?.isEmpty == true
          || value.object?.keys.isEmpty == true
      case .only(let word): value.array?.allSatisfy { $0.string?.isSame(as: word) == true } == true
      case .kind(let kind):
        value.object.map { $0.keys.count == 1 && $0["type"]?.string?.isSame(as: kind) == true } ?? false
      }
    }
  }

  let key: String
  let harmless: [Harmless]
  /// What the refusal tells the client to do.
  let advice: String

  init(_ key: String, _ harmless: Harmless..., advice: String = "Leave it out.") {
    self.init(key: key, harmless: harmless, advice: advice)
  }

  private init(key: String, harmless: [Harmless], advice: String) {
    self.key = key
    self.harmless = harmless
    self.advice = advice
  }

  private static func all(_ keys: String, _ harmless: Harmless...) -> [ForeignField] {
    keys.parts(between: UInt8(ascii: " ")).map {
      ForeignField(key: $0, harmless: harmless, advice: "Leave it out.")
    }
  }

  // MARK: The fields

  private static let noTools = "Tina's models call no tools."

  /// Fields of every kind of request for answers.
  static let common: [ForeignField] =
    // Labels for the caller's own use, and what caches and logs may do.
    all(
      "user metadata safety_identifier prompt_cache_key prompt_cache_retention request_id cache_prompt",
      .anything)
    // How tokens would be drawn.
    + all("logit_bias stop_token_ids bad_words logits_processors lora samplers vllm_xargs extra_args", .empty)
    + all("ignore_eos use_beam_search early_stopping include_stop_str_in_output penalize_nl", .flag(false))
    + all("skip_special_tokens spaces_between_special_tokens", .flag(true))
    + all("min_tokens mirostat dynatemp_range dry_multiplier xtc_probability min_keep", .number(0))
    + all("typical_p typ_p tfs_z length_penalty repeat_penalty", .number(1))
    + all("top_n_sigma n_predict", .number(-1))
    // Settings of what is switched off by the fields above.
    + all(
      "mirostat_tau mirostat_eta dynatemp_exponent dry_base dry_allowed_length dry_penalty_last_n"
        + " dry_sequence_breakers xtc_threshold repeat_last_n", .anything)
    // What else an answer could hold, or be held to.
    + all("grammar json_schema structured_outputs mm_processor_kwargs", .empty)
    + all(
      "guided_json guided_regex guided_choice guided_grammar guided_decoding_backend guided_whitespace_pattern"
        + " allowed_token_ids prompt_logprobs truncate_prompt_tokens cache_salt kv_transfer_params t_max_predict_ms",
      .empty)
    + all(
      "return_tokens_as_token_ids return_token_ids return_tokens return_progress timings_per_token"
        + " post_sampling_probs", .flag(false))
    + all("n_keep n_discard priority n_probs", .number(0)) + all("id_slot slot_id", .number(-1))
    + [
      ForeignField("store", .flag(false), advice: "Nothing is stored here."),
      ForeignField("service_tier", .word("auto"), .word("default")),
    ]

  /// Fields of conversations.
  static let conversation: [ForeignField] =
    ["tools", "functions"].map { ForeignField($0, .empty, advice: noTools) }
    + ["tool_choice", "function_call"].map {
      ForeignField($0, .word("none"), .word("auto"), advice: noTools)
    }
    + ["parallel_tool_calls", "parse_tool_calls"].map {
      ForeignField($0, .flag(true), .flag(false), advice: noTools)
    } + templates + all("audio web_search_options moderation", .empty)
    + all("echo thinking_forced_open", .flag(false)) + all("include_reasoning", .flag(true))
    + all("reasoning_budget", .number(-1)) + all("best_of", .number(1))
    + [
      ForeignField(
        "response_format", .kind("text"), advice: "Answers are plain text: ask for {\"type\": \"text\"}."),
      ForeignField("modalities", .only("text")),
      ForeignField("reasoning_effort", .word("medium")), ForeignField("verbosity", .word("medium")),
      ForeignField("reasoning_format", .word("auto"), .word("deepseek")),
    ]

  /// How a conversation becomes a prompt.
  static let templates: [ForeignField] =
    all("documents chat_template", .empty)
    + all("add_generation_prompt", .flag(true))
    + all("continue_final_message add_special_tokens", .flag(false))

  /// Fields of plain completions.
  static let completion: [ForeignField] =
    [
      ForeignField("echo", .flag(false), advice: "The prompt is not repeated here."),
      ForeignField("suffix", .empty, advice: "Text is continued here, not filled in."),
      ForeignField("response_format", .kind("text")),
    ] + all("prompt_embeds input_prefix input_suffix", .empty)

  /// Fields of `/v1/responses`.
  static let response: [ForeignField] =
    [
      ForeignField("previous_response_id", advice: "Nothing is stored here: send the whole conversation."),
      ForeignField("conversation", advice: "Nothing is stored here: send the whole conversation."),
      ForeignField("prompt", advice: "No prompts are stored here: send instructions and input."),
      ForeignField("tools", .empty, advice: noTools),
      ForeignField("tool_choice", .word("none"), .word("auto"), advice: noTools),
      ForeignField("parallel_tool_calls", .flag(true), .flag(false), advice: noTools),
      ForeignField("truncation", .word("disabled"), advice: "A conversation that is too long is refused."),
      ForeignField("background", .flag(false), advice: "Stream the answer, or wait for it."),
      ForeignField("include", .empty), ForeignField("max_tool_calls", .anything),
      ForeignField("top_logprobs", .number(0)), ForeignField("n", .number(1)),
    ] + templates

  /// Fields of a message that are told of earlier answers, or are labels.
  static let message: [ForeignField] =
    all(
      "name id cache_control index provider_specific_fields phase", .anything)
    + all("refusal annotations audio thinking_blocks images parsed citations logprobs", .empty)
    + ["function_call", "tool_calls"].map { ForeignField($0, .empty, advice: noTools) }
    + [
      ForeignField("type", .word("message")), ForeignField("status", .word("completed"), .word("incomplete")),
      ForeignField("prefix", .flag(false)), ForeignField("partial", .flag(false)),
    ]

  /// Fields of a part of a message.
  static let part: [ForeignField] =
    all("id cache_control", .anything) + all("annotations logprobs citations", .empty)
}
