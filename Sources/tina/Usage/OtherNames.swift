import Support

/// What people type who know other programs, or who slipped.
enum OtherNames {
  /// Advice for a word that is no command; nil if nothing is near.
  static func command(_ word: String, among names: [String]) -> String? {
    let word = normalised(word)
    if let typed = commands[word] { return "Type: \(typed)" }
    guard let near = nearest(word, names) else { return nil }
    return "Did you mean: tina \(near)?"
  }

  /// The option that was meant; nil if none is near.
  static func option(_ option: String, among names: [String]) -> String? {
    let bare = normalised(option)
    let known = names.filter { $0.hasPrefix("--") }.map { String($0.dropFirst(2)) }
    if let meant = (options[bare] ?? []).first(where: known.contains) { return "--" + meant }
    return nearest(bare, known).map { "--" + $0 }
  }

  /// Lower case, words joined by one dash, none before them.
  private static func normalised(_ word: String) -> String {
    String(word.lowercased().prefix(60).map { $0 == "_" ? "-" : $0 }.drop { $0 == "-" })
  }

  /// The known name that begins with the word, or that few changes make of it.
  private static func nearest(_ word: String, _ names: [String]) -> String? {
    guard !word.isEmpty else { return nil }
    if names.contains(word) { return word }
    let beginning = names.filter { word.utf8.count >= 3 && $0.hasPrefix(word) }
    if let shortest = beginning.min(by: { $0.utf8.count < $1.utf8.count }) { return shortest }
    let allowed = word.utf8.count <= 3 ? 1 : word.utf8.count <= 7 ? 2 : 3
    let scored = names.map { (name: $0, distance: Nearest.distance(word, $0)) }
    guard let best = scored.min(by: { ($0.distance, $0.name) < ($1.distance, $1.name) }),
      best.distance <= allowed, best.distance * 2 < max(word.utf8.count, best.name.utf8.count)
    else { return nil }
    return best.name
  }

  private static let run = "tina run [MODEL] [PROMPT]; without a prompt a conversation begins"

  /// Commands of llama.cpp, ollama, vLLM, MLX, transformers and TRL, and what does their work here.
  private static let commands: [String: String] = {
    var all: [String: String] = [:]
    for (meant, words) in [
      (
        run,
        [
          "chat", "generate", "generation", "infer", "inference", "complete", "completion", "ask", "prompt",
          "repl", "talk", "cli", "sample", "text-generation", "predict", "exec",
        ]
      ),
      (
        "tina serve [MODEL]",
        ["server", "api", "start", "http", "openai", "web", "ui", "host", "listen", "up"]
      ),
      (
        "tina train RECIPE.yaml",
        ["finetune", "fine-tune", "lora", "grpo", "rl", "sft", "dpo", "training", "tune", "learn"]
      ),
      (
        "tina eval [MODEL] --benchmark NAME",
        ["evaluate", "evaluation", "benchmark", "lighteval", "lm-eval", "test", "measure", "pass"]
      ),
      (
        "tina bench [MODEL], which measures speed",
        ["speed", "perf", "latency", "throughput", "batched-bench"]
      ),
      (
        "tina quantize MODEL OUTPUT.gguf --type TYPE",
        ["quantise", "quant", "quantization", "gguf", "export-gguf", "convert-hf-to-gguf", "imatrix"]
      ),
      ("tina convert IN OUT", ["export", "transform", "convert-lora-to-gguf", "pack", "compress"]),
      (
        "tina merge MODEL ADAPTER OUTPUT",
        ["fuse", "merge-and-unload", "bake", "apply", "export-lora", "combine"]
      ),
      ("tina pull ORG/NAME", ["download", "fetch", "get", "install", "clone", "hf-download"]),
      ("tina pull --list", ["list", "ls", "models", "cache", "ps", "scan-cache", "status"]),
      ("tina pull --remove ORG/NAME", ["rm", "remove", "delete", "delete-cache", "uninstall", "prune"]),
      ("tina inspect ADAPTER", ["show", "info", "describe", "view", "cat", "dump", "analyze", "stats"]),
      ("tina verify FILE", ["check", "validate", "checksum", "lint", "doctor"]),
      ("tina diff A B", ["compare", "cmp", "delta"]),
      (
        "tina tokenize [MODEL] FILE",
        ["tokenizer", "tokenise", "tok", "encode", "decode", "detokenize", "tokens", "count"]
      ),
      ("tina score [MODEL] FILE", ["perplexity", "ppl", "logprobs", "loglikelihood", "likelihood"]),
      ("tina grade GOLD ANSWER", ["judge", "math-verify", "mark", "correct"]),
      ("tina report FOLDER", ["plot", "plots", "curves", "tensorboard", "graph"]),
      ("tina --version", ["version"]),
    ] { for word in words { all[word] = meant } }
    return all
  }()

  /// Options of the same programs without their dashes, and what they are called here; the first that a command has.
  private static let options: [String: [String]] = {
    var all: [String: [String]] = [:]
    for (meant, words) in [
      (["temperature"], ["temp", "t", "heat"]),
      (
        ["max-tokens"],
        [
          "n", "n-predict", "predict", "max-new-tokens", "num-predict", "max-length", "length", "tokens",
          "max-len",
          "max-completion-tokens", "max-gen-len",
        ]
      ),
      (
        ["context"],
        ["ctx", "c", "ctx-size", "num-ctx", "n-ctx", "max-model-len", "context-length", "max-kv-size"]
      ),
      (["threads"], ["num-threads", "n-threads", "j", "jobs", "workers"]),
      (["adapter"], ["lora", "adapters", "adapter-path", "lora-path", "lora-modules", "peft-model", "a"]),
      (["system"], ["sys", "system-prompt", "s"]),
      (["repetition-penalty"], ["repeat-penalty", "rep-pen", "penalty", "frequency-penalty"]),
      (["cache-type"], ["ctk", "ctv", "cache-type-k", "cache-type-v", "kv-cache-dtype", "kv-bits"]),
      (["cache-memory"], ["gpu-memory-utilization", "kv-cache-memory-bytes"]),
      (["api-key"], ["key", "token"]),
      (
        ["out", "output"], ["o", "output", "out", "outdir", "output-dir", "output-path", "save", "save-path"]
      ),
      (
        ["type", "dtype", "to"],
        ["type", "dtype", "format", "q", "quantization", "outtype", "precision", "to"]
      ),
      (["jsonl"], ["f", "file", "input", "prompts", "prompt-file", "batch"]),
      (["max-running"], ["parallel", "np", "max-num-seqs", "batch-size"]),
      (["samples"], ["k", "num-samples", "n-samples", "repeats"]),
      (["benchmark"], ["task", "tasks", "dataset", "bench"]),
      (["data"], ["dataset", "train-file", "dataset-path"]),
      (["greedy"], ["no-sample", "deterministic"]),
      (["hide-thinking"], ["no-thinking", "no-think", "nothink", "no-reasoning"]),
      (["remove"], ["rm", "delete"]),
      (["list"], ["ls"]),
      (["quiet"], ["silent", "log-disable", "disable-log-requests"]),
    ] { for word in words { all[word] = meant } }
    return all
  }()
}
