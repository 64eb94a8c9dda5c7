import AdapterFormat
import Foundation
import ModelFiles
import Processes
import Problems
import TestSupport
import Testing
import Tokenization

@testable import TinaRuntime
@testable import Trainer

/// Supervised fine-tuning against TRL's SFTTrainer (tools/golden/sft.py), and against itself.
@Suite struct SupervisedTests {
  static let golden = (try? JSON.parse(path: fixture("sft.json")))?.object
  static let cases = golden?["cases"]?.array?.compactMap(\.object) ?? []
  static let names = cases.compactMap { $0["name"]?.string }

  @Test func thereAreCases() { #expect(Self.names.count == 3) }

  private func documents(_ golden: JSONObject) throws -> [Document] {
    try #require(golden["documents"]?.array).map { pair in
      let rows = (pair.array ?? []).map { ($0.array ?? []).compactMap(\.int) }
      return Document(rows[0], labelled: rows[1].map { $0 == 1 })
    }
  }

  @Test(arguments: names)
  func runsMatchTRL(name: String) throws {
    let golden = try #require(Self.cases.first { $0["name"]?.string == name })
    let tensors = try SafetensorsFile(path: fixture("sft.safetensors"))
    func integer(_ key: String) throws -> Int { try #require(golden[key]?.int, "\(key)") }
    let (steps, length) = (try integer("steps"), try integer("max_length"))
    let (size, accumulation) = (
      try integer("per_device_train_batch_size"), try integer("gradient_accumulation_steps")
    )
    let model = try Model(path: tiny("tiny-f32"), threads: 2)
    let parameters = try LoRAParameters(
      LoRASettings(
        rank: try integer("rank"), alpha: 4, dropout: 0,
        targets: golden["targets"]?.array?.compactMap(\.string) ?? []), for: model.config)
    for tensor in tensors.tensors where tensor.name.hasPrefix(name + "/start.") {
      try #require(parameters.set(String(tensor.name.dropFirst(name.count + 7)), tensor.floats()))
    }
    let kind = try #require(LearningRateSchedule.Kind(rawValue: golden["lr_scheduler_type"]?.string ?? ""))
    let learner = AdapterLearner(
      try PolicyPass(model, cacheType: .f32), parameters,
      OptimizerSettings(
        learningRate: 5e-3, weightDecay: golden["weight_decay"]?.double ?? 0,
        maxGradNorm: golden["max_grad_norm"]?.double ?? 1),
      LearningRateSchedule(kind, warmupSteps: 0, totalSteps: steps), seed: 1, processes: SingleProcess())
    // A row limit of a document or two cuts micro-batches into passes, which changes nothing.
    let update = SupervisedUpdate(
      learner: learner, loss: golden["loss_type"]?.string == "dft" ? .dft : .nll, rowLimit: 30)
    var all = try documents(golden)
    for i in all.indices { _ = all[i].truncate(to: length) }
    all = all.filter { $0.labelCount > 0 }
    let bins = golden["bins"]?.array ?? []
    var places = all.map { [$0] }
    if !bins.isEmpty {
      // TRL packs whole documents, those without a label and their unlabelled ends too.
      let whole = try documents(golden).map { Document($0.tokens, labelled: $0.isLabelled) }
      places = DocumentSet.pack(whole, into: length)
      #expect(places.map { $0.map(\.tokens.count) } == bins.map { ($0.array ?? []).compactMap(\.int) })
    }
    let logs = try #require(golden["logs"]?.array).compactMap(\.object)
    for step in 0..<steps {
      let chosen = places[step * size * accumulation..<(step + 1) * size * accumulation]
      let batches = (0..<accumulation).map { m in
        chosen.dropFirst(m * size).prefix(size).flatMap { $0 }
      }
      let metrics = try update.step(batches)
      for (key, mine, tolerance) in [
        ("loss", metrics.loss, 2e-5), ("grad_norm", metrics.gradientNorm, 1e-4),
        ("learning_rate", metrics.learningRate, 1e-12), ("entropy", metrics.entropy, 2e-5),
        ("mean_token_accuracy", try #require(metrics.accuracy), 1e-6),
      ] {
        let theirs = try #require(logs[step][key]?.double)
        #expect(abs(mine - theirs) <= tolerance * max(1, abs(theirs)), "\(key) at \(step): \(mine) \(theirs)")
      }
    }
    for tensor in tensors.tensors where tensor.name.hasPrefix(name + "/end.") {
      let (_, offset, count) = try #require(parameters.place(String(tensor.name.dropFirst(name.count + 5))))
      let error = relativeError(parameters.values.slice(offset, count), tensor.floats())
      #expect(error <= 1e-4, "\(tensor.name): \(error)")
    }
  }

  private func prompts(_ template: ChatTemplate? = nil) throws -> PromptEncoder {
    try PromptEncoder(tokenizer: Tokenizer(directory: pico), directory: pico, template: template)
  }

  private func set(
    _ lines: String, _ changes: [String: String] = [:], _ template: ChatTemplate? = nil
  ) throws -> DocumentSet {
    let folder = TemporaryFolder()
    let path = folder.path("records.jsonl")
    try lines.write(toFile: path, atomically: true, encoding: .utf8)
    let yaml = (["method": "sft"].merging(changes) { $1 }).map { $0 + ": " + $1 }.joined(separator: "\n")
    return try DocumentSet(
      path: path, Recipe(yaml: yaml, path: "r.yaml"), prompts(template),
      endText: try Tokenizer.eosToken(path: pico))
  }

  /// The tokens of each kind of record, and which of them count, are TRL's.
  @Test func recordsBecomeTRLsTokens() throws {
    let records = try #require(Self.golden?["records"]?.array).compactMap(\.object)
    #expect(records.count == 4)
    for record in records {
      let line = try #require(record["record"]).text()
      let document = try #require(try set(line, [:], .chatML(defaultSystem: nil)).places.first?.first)
      #expect(document.tokens == (record["tokens"]?.array ?? []).compactMap(\.int), "\(line)")
      #expect(
        document.isLabelled.map { $0 ? 1 : 0 } == (record["labelled"]?.array ?? []).compactMap(\.int),
        "\(line)")
    }
  }

  /// R1's template drops the thinking of earlier turns; what is learned is what the model is to write.
  @Test func thinkingIsLearned() throws {
    let line = """
      {"messages": [{"role": "user", "content": "What is 3 + 4?"}, \
      {"role": "assistant", "content": "<think>\\n3 + 4 = 7.\\n</think>\\nIt is 7."}]}
      """
    let document = try #require(try set(line).places.first?.first)
    let prompt = try prompts().encode([ChatMessage(role: .user, content: "What is 3 + 4?")])
    #expect(Array(document.tokens.prefix(prompt.count)) == prompt)
    #expect(document.isLabelled == document.tokens.indices.map { $0 >= prompt.count })
    let text = try prompts().tokenizer.decode(
      Array(document.tokens.dropFirst(prompt.count)), skipSpecialTokens: false)
    #expect(text == "3 + 4 = 7.\n</think>\nIt is 7." + (try Tokenizer.eosToken(path: pico)))
  }

  @Test func conversationsOfSeveralTurns() throws {
    let line = """
      {"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, \
      {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}
      """
    let plain = ChatTemplate.chatML(defaultSystem: nil)
    let whole = try set(line, [:], plain)
    #expect(whole.places.count == 1 && whole.notes.isEmpty)
    // The two answers, each with its end, count.
    let runs = whole.places[0][0].isLabelled.reduce(into: [Bool]()) { if $0.last != $1 { $0.append($1) } }
    #expect(runs == [false, true, false, true])
    let all = try set(line, ["assistant_only_loss": "false"], plain)
    #expect(
      all.places[0][0].isLabelled.allSatisfy { $0 } && all.places[0][0].tokens == whole.places[0][0].tokens)
    // Pico's template writes an earlier answer without the thinking that it opens, so each answer stands alone.
    let split = try set(line)
    #expect(split.places.count == 2 && split.notes.count == 1)
    #expect(split.places.allSatisfy { $0[0].labelCount > 0 })
  }

  @Test func lengthsAreKept() throws {
    let lines =
      #"{"text": "one two three four five six seven eight"}"# + "\n"
      + #"{"prompt": "a b c d e f g h", "completion": "i"}"#
    let short = try set(lines, ["max_length": "6"])
    #expect(short.places.map { $0[0].tokens.count } == [6])
    #expect(short.notes.count == 2, "\(short.notes)")
    #expect(throws: TrainerError.self) {
      try set(#"{"prompt": "a b c d e f", "completion": "i"}"#, ["max_length": "3"])
    }
  }

  @Test(arguments: [
    ("{\"problem\": \"a\", \"answer\": 1}", "no messages"), ("[1]", "no object"),
    ("{\"messages\": []}", "no message"),
    ("{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}]}", "no turn of the assistant"),
    ("{\"messages\": [{\"role\": \"tool\", \"content\": \"a\"}]}", "of the role"),
    ("{\"prompt\": \"a\", \"completion\": [1]}", "two kinds"),
    ("{\"prompt\": [1], \"completion\": [1]}", "no object"),
  ])
  func recordsOfOtherKindsAreRefused(line: String, part: String) {
    do {
      _ = try set(line)
      Issue.record("\(line) was read")
    } catch { #expect("\(error)".contains(part), "\(error)") }
  }

  /// A run on Pico, stopped and gone on, ends in the same bytes; it learns; its file says what it is.
  @Test func resumedRunsEndInTheSameBytes() async throws {
    let folder = TemporaryFolder()
    let data = folder.path("solutions.jsonl")
    let lines = (0..<40).map { i in
      """
      {"prompt": [{"role": "user", "content": "What is \(i) + 2?"}], \
      "completion": [{"role": "assistant", "content": "First, \(i) + 2 = \(i + 2).\\n</think>\\n\(i + 2)"}]}
      """
    }
    try lines.joined(separator: "\n").write(toFile: data, atomically: true, encoding: .utf8)
    let changes = [
      "dataset_path": data, "lora_dropout": "0.05", "learning_rate": "5.0e-3", "num_train_epochs": "2",
      "packing": "true",
      "max_length": "128",
    ]
    let (whole, parts) = (ShortRun(supervised: changes), ShortRun(supervised: changes))
    func bytes(_ result: TrainingResult) throws -> Data {
      try Data(contentsOf: URL(fileURLWithPath: result.adapter))
    }
    let result = try await whole.run()
    _ = try await parts.run(stopAt: 1, threads: 1)
    #expect(try bytes(await parts.run()) == bytes(result))
    let losses = whole.lines.compactMap { $0.values["loss"] }
    #expect(losses.count == result.step && result.step >= 4)
    #expect(try #require(losses.last) < losses[0], "\(losses)")
    #expect(whole.lines.last?.values["epoch"] == 2)
    let training = try TinaFile(path: result.adapter).archive().training
    #expect(training?["algorithm"]?.string == "sft" && training?["loss_type"]?.string == "nll")
    #expect(training?["rewards"] == nil)
    #expect(try RunReport.html(run: whole.folder).contains("most probable tokens"))
  }
}
