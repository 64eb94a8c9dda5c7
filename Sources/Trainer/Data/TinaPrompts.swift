/// The system prompts that Tina trains with.
enum TinaPrompts {
  static func system(dataset: String) -> String? {
    if dataset.isEmpty { return nil }
    return dataset.contains("open-rs") || dataset.contains("open_rs2") || dataset.contains("open_rs3")
      ? openRS : openR1
  }

  static let openR1 = """

    You are a helpful AI Assistant that provides well-reasoned and detailed responses.
    You first think about the reasoning process as an internal monologue and then provide the user with the answer.
    Respond in the following format: <think>
    ...
    </think>
    <answer>
    ...
    </answer>

    """

  static let openRS = """

    A conversation between User and Assistant. The user asks a question, and the Assistant solves it.
    The assistant first thinks about the reasoning process in the mind and then provides the user with the answer, \
    and put your final answer within \\boxed{{}} .
    The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, \
    respectively,\u{20}
    i.e., <think> reasoning process here </think> <answer> answer here </answer>.
    Note that respond by English, NOT use other languages.

    """
}
