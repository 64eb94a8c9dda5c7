import Foundation

/// Words that are no prompts: names of models that are not here.
enum ModelName {
  /// Why a lone argument, which names no folder and no name on the hub, is not answered as a prompt; nil for a prompt.
  static func mistake(in argument: String) -> CommandError? {
    guard isMeant(by: argument) else { return nil }
    var isDirectory: ObjCBool = false
    let exists = unsafe FileManager.default.fileExists(
      atPath: expandingTilde(argument), isDirectory: &isDirectory)
    let found =
      exists
      ? "\(argument) is a file, and no model: expected a folder of Hugging Face's kind or a GGUF file."
      : "\(argument) looks like a model, but there is no such folder, file or name on the hub."
    return CommandError(
      "\(found) Name a folder by its path, a model on the hub as ORG/NAME (tina pull --list tells which are on this"
        + " machine). If it is a prompt, name a model before it: tina run MODEL \"\(argument)\"")
  }

  /// Whether a text is one word as models are called: `DeepSeek-R1-Distill-Qwen-1.5B`, `llama3.2:1b`, `model.gguf`.
  static func isMeant(by text: String) -> Bool {
    guard text.utf8.count <= 200, let first = text.utf8.first, let last = text.utf8.last else { return false }
    let isLetter = { (byte: UInt8) in 0x61...0x7A ~= byte | 0x20 }
    let isDigit = { (byte: UInt8) in 0x30...0x39 ~= byte }
    let marks = Array("-_.:@".utf8)
    guard text.utf8.allSatisfy({ isLetter($0) || isDigit($0) || marks.contains($0) }),
      isLetter(first), isLetter(last) || isDigit(last)
    else { return false }
    let parts = text.lowercased().split { !$0.isLetter }
    if text.utf8.allSatisfy(isLetter) { return families.contains(text.lowercased()) }
    // `well-known` is a word; `x2` and `f-1` are mathematics.
    return text.utf8.prefix { isLetter($0) }.count >= 2
      && (text.utf8.contains(where: isDigit) || parts.contains { families.contains(String($0)) }
        || [".gguf", ".safetensors", ".tina"].contains { text.hasSuffix($0) })
  }

  /// What people call a model by one word alone.
  private static let families: Set<String> = [
    "codellama", "deepseek", "falcon", "gemma", "gpt", "granite", "llama", "mistral", "mixtral", "olmo",
    "phi", "qwen",
    "qwq", "smollm", "tinyllama", "yi",
  ]
}
