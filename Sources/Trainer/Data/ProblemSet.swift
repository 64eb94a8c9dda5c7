import AdapterFormat
import Foundation
import ModelFiles
import TinaRuntime
import Tokenization
import Support

/// A problem and the answer it is judged by.
struct Problem: Sendable, Equatable {
  let text: String
  let gold: String?
}

/// Problems as Tina's data mapping reads them from JSON lines or a JSON array.
struct ProblemSet: Sendable {
  let path: String
  let digest: String
  let problems: [Problem]

  /// - Throws: ``TrainerError`` naming the line: no JSON, no problem in it, a file that nothing here reads.
  init(path: String) throws(TrainerError) {
    self.path = path
    let file: MappedFile
    do throws(ModelFilesError) {
      file = try MappedFile(path: path)
    } catch {
      throw TrainerError(.data, place: path, found: "\(error)", expected: "a readable file of problems")
    }
    guard file.byteCount <= 1 << 31 else {
      throw TrainerError(.data, place: path, found: "\(file.byteCount) bytes", expected: "at most 2 GiB")
    }
    let bytes = file.copy(0..<file.byteCount)
    digest = hexadecimal(Digest.sha256(bytes))
    if bytes.starts(with: Array("PAR1".utf8)) {
      throw TrainerError(
        .data, place: path, found: "a Parquet file", expected: "JSON lines or a JSON array",
        advice: "Convert it: python3 -c \"import pandas, sys; pandas.read_parquet(sys.argv[1]).to_json("
          + "sys.argv[2], orient='records', lines=True, force_ascii=False)\" IN.parquet OUT.jsonl")
    }
    var objects: [(line: Int, value: JSONValue)] = []
    let isArray = bytes.first { ![0x20, 0x09, 0x0A, 0x0D].contains($0) } == UInt8(ascii: "[")
    do throws(ModelFilesError) {
      if isArray {
        for (i, value) in (try JSON.parse(bytes, file: path).array ?? []).enumerated() {
          objects.append((i + 1, value))
        }
      } else {
        for (i, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
          .enumerated()
        where line.contains(where: { ![0x20, 0x09, 0x0D].contains($0) }) {
          objects.append((i + 1, try JSON.parse(Array(line), file: path)))
        }
      }
    } catch {
      throw TrainerError(
        .data, place: "\(path), record \(objects.count + 1)", found: "\(error.found)",
        expected: "a JSON object")
    }
    var problems: [Problem] = []
    for (line, value) in objects {
      guard let object = value.object else {
        throw TrainerError(
          .data, place: "\(path), record \(line)", found: "no object", expected: "a JSON object")
      }
      guard let text = Self.text(object, ["problem", "question", "prompt", "messages"]), !text.isEmpty else {
        throw TrainerError(
          .data, place: "\(path), record \(line)", found: "no problem",
          expected: "a text named problem, question or prompt, or messages")
      }
      guard text.utf8.count <= 1 << 20 else {
        throw TrainerError(
          .data, place: "\(path), record \(line)", found: "a problem of \(text.utf8.count) bytes",
          expected: "at most a mebibyte")
      }
      // A worked solution is gold as it is; a bare answer is put between dollar signs, as Tina does.
      let gold =
        Self.text(object, ["solution"])
        ?? (Self.text(object, ["answer"]) ?? Self.verified(object, path)).map { "$" + $0 + "$" }
      problems.append(Problem(text: text, gold: gold))
    }
    guard !problems.isEmpty else {
      throw TrainerError(.data, place: path, found: "no problem", expected: "at least one")
    }
    self.problems = problems
  }

  private static func text(_ object: JSONObject, _ keys: [String]) -> String? {
    for key in keys {
      switch object[key] {
      case .string(let text)?: return text
      case .number(let literal)?: return literal
      case .array(let messages)?:
        // Messages, of which the first asks.
        if case .string(let text)? = messages.first?.object?["content"] { return text }
      default: continue
      }
    }
    return nil
  }

  /// II-Thought's answer: `verification_info`, an object or its text, holds `answer.value`.
  private static func verified(_ object: JSONObject, _ path: String) -> String? {
    var info = object["verification_info"]
    if case .string(let text)? = info { info = try? JSON.parse(Array(text.utf8), file: path) }
    return info?.object?["answer"]?.object.flatMap { Self.text($0, ["value"]) }
  }

  /// The problems at some places of a run.
  func problems(at places: Range<Int>, seed: UInt64) -> [Problem] {
    var epoch = -1
    var order: [Int] = []
    return places.map { place in
      if place / problems.count != epoch {
        epoch = place / problems.count
        order = self.order(epoch: epoch, seed: seed)
      }
      return problems[order[place % problems.count]]
    }
  }

  /// Each epoch goes through all problems in an order of its own, which depends on (seed, epoch) alone.
  func order(epoch: Int, seed: UInt64) -> [Int] {
    var order = Array(problems.indices)
    for i in stride(from: order.count - 1, to: 0, by: -1) {
      let block = Philox.block(
        counter: (UInt32(truncatingIfNeeded: i), UInt32(truncatingIfNeeded: epoch), 0x5368_7566, 0),
        key: (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
      let word = UInt64(block.0) << 32 | UInt64(block.1)
      order.swapAt(i, Int(word.multipliedFullWidth(by: UInt64(i + 1)).high))
    }
    return order
  }
}

/// Turns problems into requests, and completions into texts that can be judged.
struct PromptBuilder {
  private let assistant: Assistant
  private let prompts: PromptEncoder
  private let system: String?
  private let maxPromptLength: Int

  /// - Throws: `TokenizationError` or `ModelFilesError` for a tokenizer or chat template that is missing or unknown.
  init(_ recipe: Recipe, _ engine: Engine) throws {
    assistant = try Assistant(engine, template: recipe.promptTemplate == .reason ? .deepSeekR1Plain : nil)
    prompts = try assistant.prompts
    system = recipe.systemPrompt ?? TinaPrompts.system(dataset: recipe.datasetName)
    maxPromptLength = recipe.maxPromptLength
  }

  /// A request for completions of a problem.
  func request(_ problem: Problem, _ settings: AnswerSettings, promptIndex: Int) -> GenerationRequest {
    var request = assistant.request(for: prompt(problem), promptIndex: promptIndex)
    request.settings = settings
    // Whole texts are decoded here, not token by token on the engine's thread.
    request.tokenizer = nil
    return request
  }

  /// The prompt's ids, its beginning cut off if it is too long, as TRL does.
  private func prompt(_ problem: Problem) -> [Int] {
    let messages =
      (system.flatMap { $0.isEmpty ? nil : [ChatMessage(role: .system, content: $0)] } ?? [])
      + [ChatMessage(role: .user, content: problem.text)]
    return Array(prompts.encode(messages).suffix(maxPromptLength))
  }

  /// What rewards read: the completion's text after the `<think>` that the prompt may end in.
  func text(_ completion: [Int]) -> String {
    (prompts.template.opensThinking ? "<think>\n" : "") + assistant.text(of: completion)
  }
}

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
    The reasoning process and answer are enclosed within <think> </think> and <answer> </answer> tags, respectively,\u{20}
    i.e., <think> reasoning process here </think> <answer> answer here </answer>.
    Note that respond by English, NOT use other languages.

    """
}
