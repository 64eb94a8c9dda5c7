import ModelFiles
import Problems

extension DataColumns {
  /// Reads the names that a recipe gives to the members of its records.
  mutating func read(_ reader: inout RecipeReader, _ method: TrainingMethod) throws(TrainerError) {
    prompt = try Self.name("dataset_prompt_column", &reader)
    messages = try Self.name("dataset_messages_column", &reader)
    switch method {
    case .grpo:
      answer = try Self.name("dataset_answer_column", &reader)
      solution = try Self.name("dataset_solution_column", &reader)
      system = try Self.name("dataset_system_column", &reader)
    case .sft:
      completion = try Self.name("dataset_completion_column", &reader)
      text = try Self.name("dataset_text_field", &reader) ?? text
    }
    if messages != nil, prompt != nil || completion != nil {
      throw reader.error(
        "dataset_messages_column", found: "it and a column of prompts or completions",
        expected: "a conversation, or a prompt",
        advice: "Leave one of them out: a prompt may be a list of messages too.")
    }
  }

  private static func name(_ key: String, _ reader: inout RecipeReader) throws(TrainerError) -> String? {
    guard let name = try reader.text(key) else { return nil }
    guard !name.isEmpty, name.utf8.count <= 1024 else {
      throw reader.error(key, found: "a name of \(name.utf8.count) bytes", expected: "1 to 1024 bytes")
    }
    return name
  }
}
