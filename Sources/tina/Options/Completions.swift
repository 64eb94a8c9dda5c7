import ArgumentParser

/// What a shell offers for the arguments that several commands take. Directories come by themselves.
extension CompletionKind {
  static var model: CompletionKind { .file(extensions: ["gguf"]) }
  /// Either a model or an adapter.
  static var modelOrAdapter: CompletionKind { .file(extensions: ["tina", "gguf", "safetensors"]) }
  /// Problems, prompts and texts.
  static var lines: CompletionKind { .file(extensions: ["jsonl", "json"]) }
}
