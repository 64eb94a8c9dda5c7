public import AdapterFormat
public import ModelFiles

/// What can go wrong between a model's files and its answers.
///
/// Every case carries what was found and what was expected; `description` ends with what to do.
public enum RuntimeError: Error, Sendable, Equatable {
  /// The weights of a model directory do not fit its `config.json`. `violations` lists every mismatch.
  case weightsMismatch(path: String, violations: [String])
  /// An adapter's modules do not fit the base. `violations` lists every mismatch; `named` is the base that the
  /// adapter's own configuration names.
  case adapterMismatch(adapter: String, base: String, violations: [String], named: String? = nil)
  /// The base has the right shape but not the weights that the adapter belongs to.
  case otherBase(adapter: String, base: String, difference: BaseDifference, named: String? = nil)
  /// With an adapter, the logits of a probe position are NaN or infinite.
  case adapterNotFinite(adapter: String, base: String, scale: Float)
  /// An adapter whose B is not zero left the logits of a probe position exactly as they were.
  case adapterWithoutEffect(adapter: String, base: String)
  /// A model that should guess for a base numbers tokens otherwise. `found` is nil where it has no such token.
  case otherTokenizer(drafter: String, base: String, id: Int, found: String?, expected: String)
  /// The prompt has no token.
  case emptyPrompt
  /// The prompt leaves no room for an answer.
  case promptTooLong(tokens: Int, context: Int)
  /// Keys and values of a request would never fit into the engine's memory budget.
  case memoryBudgetTooSmall(prompt: Int, answer: Int, bytes: Int, budget: Int)
  /// A token id that the model's embedding does not hold.
  case tokenOutOfRange(id: Int, vocabulary: Int)
  /// A setting out of its range.
  case invalidSetting(name: String, found: String, expected: String)
  /// The operating system did not start the threads.
  case threadsUnavailable(count: Int)
  /// A file of the weights was changed while the model was in use.
  case filesChanged(ModelFilesError)
  /// The logits of a step held NaN or infinity.
  case notFinite(position: Int, adapter: AttachedName? = nil)
  /// The tokens of an answer ended inside its thinking.
  case noAnswer(tokens: Int)
}

/// An attached adapter, for messages.
public struct AttachedName: Sendable, Equatable {
  /// Where it was loaded from.
  public let path: String
  /// The factor on top of its own scales.
  public let scale: Float

  /// Names an adapter.
  public init(path: String, scale: Float) {
    self.path = path
    self.scale = scale
  }
}

extension RuntimeError: CustomStringConvertible {
  /// The message for people: place, found, expected, remedy.
  public var description: String {
    switch self {
    case .weightsMismatch(let path, let violations):
      return """
        \(path): the weights do not fit config.json (\(violations.count) violations):
        \(Self.list(violations))
        Check that config.json and the safetensors files come from the same model and arrived whole.
        """
    case .adapterMismatch(let adapter, let base, let violations, let named):
      return """
        \(adapter): this adapter does not fit the base \(base) (\(violations.count) violations), \
        so nothing of it was loaded:
        \(Self.list(violations))
        Name the base that the adapter was trained on\(Self.baseName(named)).
        """
    case .otherBase(let adapter, let base, let difference, let named):
      return """
        \(adapter): this adapter belongs to another base than \(base): found the same shape, but \(difference); \
        expected the weights it was trained on\(Self.baseName(named)). It was not loaded. Name that base, or attach \
        it all the same with --allow-base-mismatch.
        """
    case .adapterNotFinite(let adapter, let base, let scale):
      return """
        \(adapter): attached to \(base) with a factor of \(scale), the adapter makes logits that are NaN or \
        infinite: expected finite numbers. It was not loaded. Lower the factor, or check the adapter's alpha and its \
        numbers.
        """
    case .adapterWithoutEffect(let adapter, let base):
      return """
        \(adapter): attached to \(base), the adapter leaves the logits of a probe position exactly as \
        they were, although its B matrices are not zero. It was not loaded. Its values may be too small for \
        float32 beside this base's; check that it is the adapter you meant.
        """
    case .otherTokenizer(let drafter, let base, let id, let found, let expected):
      return """
        \(drafter): this model can't guess for \(base): its token \(id) is \(found.map { quoted($0) } ?? "not there"), \
        expected \(quoted(expected)), as in the base's tokenizer. Name a copy of the base: \
        tina quantize MODEL copy.gguf --type Q4_K_M makes one.
        """
    case .filesChanged(let error): return error.description
    case .emptyPrompt:
      return "the prompt is empty: found 0 tokens, expected at least 1. Give a prompt."
    case .promptTooLong(let tokens, let context):
      return """
        the prompt has \(tokens) tokens, but the context holds \(context) and an answer needs at least one: \
        expected at most \(context - 1). Shorten the prompt or raise the context limit.
        """
    case .memoryBudgetTooSmall(let prompt, let answer, let bytes, let budget):
      return """
        keys and values of \(prompt) tokens\(answer > 0 ? " of prompt and \(answer) of answer" : "") take \
        \(Self.size(bytes)), and the memory budget is \(Self.size(budget)): expected at most that. Ask for \
        fewer tokens, raise the budget, or keep keys and values in a smaller type.
        """
    case .tokenOutOfRange(let id, let vocabulary):
      return """
        token id \(id) is not in the model: expected 0 to \(vocabulary - 1). \
        The tokenizer and the weights do not belong together, or the ids are wrong.
        """
    case .invalidSetting(let name, let found, let expected):
      return "\(name): found \(found), expected \(expected)."
    case .threadsUnavailable(let count):
      return "could not start \(count) threads: the system refused. Ask for fewer with --threads."
    case .notFinite(let position, let adapter?):
      return """
        the logits at position \(position) hold NaN or infinity with the adapter \(adapter.path) at a factor of \
        \(adapter.scale): expected finite numbers. Lower the factor; if the base alone fails too, its weights are \
        damaged.
        """
    case .notFinite(let position, nil):
      return """
        the logits at position \(position) hold NaN or infinity: expected finite numbers. \
        The model's weights are damaged: tina verify MODEL names the tensor. Get them again.
        """
    case .noAnswer(let tokens):
      return """
        the model was still thinking when its \(tokens) tokens ended: expected an answer after the thinking. Allow \
        more tokens, or read the thinking too.
        """
    }
  }

  /// The base that an adapter's configuration names, for the middle of a sentence.
  private static func baseName(_ named: String?) -> String {
    named.map { " (its configuration says \(quoted($0)))" } ?? ""
  }

  private static func size(_ bytes: Int) -> String {
    bytes < 10 << 20 ? "\(bytes) bytes" : "\(bytes >> 20) MiB"
  }

  private static func list(_ violations: [String]) -> String {
    let shown = violations.prefix(40).map { "  - \($0)" }
    let rest = violations.count - shown.count
    return (shown + (rest > 0 ? ["  - … and \(rest) more"] : [])).joined(separator: "\n")
  }
}
