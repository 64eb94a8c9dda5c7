import AdapterFormat
import Foundation
import ModelFiles
import Synchronization
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

/// Rollouts from servers of other programs, which a stub in this process plays.
@Suite struct OtherServersTests {
  static let kinds: [ServerKind] = [.vllm, .sglang, .llama]
  private let shared = TemporaryFolder()

  private func shortRun(_ servers: [StubServer], _ changes: [String: String] = [:]) -> ShortRun {
    let list = servers.map { "\"\($0.address)\"" }.joined(separator: ", ")
    let all = ["rollout_servers": "[\(list)]", "rollout_folder": shared.path, "max_steps": "3"]
    return ShortRun(all.merging(changes) { $1 })
  }

  /// - Returns: what the run says at its start.
  private func run(_ short: ShortRun) async throws -> String {
    let notes = Mutex<[String]>([])
    let completions = try await ServerCompletions(
      short.recipe(), model: try Model(path: pico, threads: 1, activations: .f32), options: short.options,
      key: nil
    ) { note in notes.withLock { $0.append(note) } }
    #expect(!completions.isExact)
    let result = try await short.run(completions: completions)
    #expect(result.step == 3)
    await completions.finish()
    return notes.withLock { $0.joined(separator: "\n") }
  }

  /// Another server may ask for the same adapter after the folder failed.
  @Test func anAdapterThatCouldNotBeWrittenIsTriedAgain() throws {
    let folder = shared.path + "/later"
    let files = ExportedAdapter(
      try AdapterFile(path: picoAdapter).archive, try BaseArchitecture(path: pico), peft: folder + "/peft",
      gguf: ExportedAdapter.gguf(in: folder), onFolder: {})
    // A file stands where the folder should.
    try Data().write(to: URL(fileURLWithPath: folder))
    for _ in 0..<2 { #expect(throws: AdapterError.self) { try files.gguf() } }
    try FileManager.default.removeItem(atPath: folder)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: false)
    #expect(FileManager.default.fileExists(atPath: try files.gguf()))
  }

  /// What B·A·scale is must not change, whatever the ranks and scales are, and nothing may become NaN.
  @Test(arguments: [[0, 0], [0, 2], [0.5, 2], [2, 0]] as [[Float]])
  func oneRankAndOneScaleChangeNoProduct(scales: [Float]) {
    let ranks = [1, 3]
    let modules = zip(ranks, scales).map { rank, scale in
      AdapterModule(
        name: "rank\(rank)",
        pair: LowRankPair(
          a: Tensor(name: "A", shape: [rank, 2], floats: (0..<rank * 2).map { Float($0 + 1) }),
          b: Tensor(name: "B", shape: [2, rank], floats: (0..<rank * 2).map { Float(2 * $0 - 1) }),
          scale: scale))
    }
    func product(_ pair: LowRankPair) -> [Float] {
      let (a, b) = (pair.a.floats(), pair.b.floats())
      return (0..<4).map { index in
        (0..<pair.rank).reduce(0) { $0 + pair.scale * b[index / 2 * pair.rank + $1] * a[$1 * 2 + index % 2] }
      }
    }
    let alike = AdapterExporter.alike(modules)
    #expect(Set(alike.map(\.pair.rank)) == [3])
    #expect(Set(alike.map(\.pair.scale)).count == 1)
    #expect(alike.map { product($0.pair) } == modules.map { product($0.pair) })
  }

  /// SGLang takes no seeds: its run is another one.
  @Test(arguments: kinds)
  func aServerThatTellsTheTrainersNumbersMakesTheSameAdapter(kind: ServerKind) async throws {
    let server = try StubServer(kind, folder: shared.path)
    let short = shortRun([server])
    let notes = try await run(short)
    #expect(notes.contains("1 of 1 servers (\(kind.rawValue))"), "\(notes)")
    #expect(notes.contains("vllm_importance_sampling_mode: sequence_mask, at most 3.0"), "\(notes)")
    let state = server.state.withLock { $0 }
    #expect(state.asked.values.reduce(0, +) == (kind == .llama ? 24 : 6))
    for line in short.lines {
      #expect(line.values["sampling/checked_tokens"] == nil)
      #expect(line.values["sampling/sampling_logp_difference/max"] == 0)
      #expect(line.values["sampling/importance_sampling_ratio/min"] == 1)
      #expect(line.values["sampling/importance_sampling_ratio/max"] == 1)
    }
    if kind != .sglang {
      let local = ShortRun(["max_steps": "3"])
      _ = try await local.run()
      #expect(try local.adapter(3) == short.adapter(3))
    }
  }

  /// SGLang and GGUF files have one rank and one scale for all modules.
  @Test(arguments: kinds)
  func modulesOfOtherRanksAndScalesAreTheTrainersToo(kind: ServerKind) async throws {
    let server = try StubServer(kind, folder: shared.path)
    let short = shortRun(
      [server],
      [
        "rank_pattern": "{q_proj: 2, layers.0.self_attn.v_proj: 7}",
        "alpha_pattern": "{o_proj: 12, q_proj: 3}",
      ])
    _ = try await run(short)
    for line in short.lines {
      #expect((line.values["sampling/sampling_logp_difference/max"] ?? 1) < 1e-4)
    }
    #expect(short.lines.contains { $0.values["grad_norm"] ?? 0 > 0 })
  }

  @Test(arguments: kinds)
  func aCompletionThatTheServerCutsOffEndsTheRun(kind: ServerKind) async throws {
    let server = try StubServer(kind, folder: shared.path, .init(tokens: 3))
    let error = await #expect(throws: TrainerError.self) { try await run(shortRun([server])) }
    #expect(error?.found.contains("ended after 3 tokens") == true)
  }

  @Test func eachStepHasAnAdapterOfItsOwnName() async throws {
    let server = try StubServer(.vllm)
    _ = try await run(shortRun([server]))
    let state = server.state.withLock { $0 }
    // The next one is there before the last one goes, and all are gone at the end.
    #expect(state.orders.count == 6 && Set(state.orders).count == 6 && state.loaded.isEmpty)
    let loads = state.orders.enumerated().filter { $1.hasPrefix("load ") }.map(\.offset)
    #expect(loads == [0, 1, 3], "\(state.orders)")
    #expect(state.orders[2] == "un" + state.orders[0] && state.orders[4] == "un" + state.orders[1])
    #expect(state.paths.allSatisfy { $0.hasPrefix(shared.path + "/rollout-") })
    #expect(try FileManager.default.contentsOfDirectory(atPath: shared.path).isEmpty)
  }

  @Test func aModelOfLlamaServerIsStartedAnewForEachStep() async throws {
    let server = try StubServer(.llama, folder: shared.path)
    _ = try await run(shortRun([server]))
    let orders = server.state.withLock { $0.orders }
    #expect(orders == ["load policy", "unload policy", "load policy", "unload policy", "load policy"])
  }

  /// TRL's formulas are held to its own runs in ``LossTests``; here they meet a server.
  @Test func otherNumbersAreLoggedAndWeighed() async throws {
    let server = try StubServer(.vllm, noise: 0.01)
    let short = shortRun([server], ["vllm_importance_sampling_mode": "token_truncate"])
    _ = try await run(short)
    for line in short.lines {
      let values = line.values
      #expect(abs((values["sampling/sampling_logp_difference/mean"] ?? 0) - 0.01) < 1e-6)
      #expect(abs((values["sampling/importance_sampling_ratio/mean"] ?? 0) - exp(-0.01)) < 1e-6)
    }
    let uncorrected = shortRun([server], ["vllm_importance_sampling_correction": "false"])
    #expect(try await run(uncorrected).contains("correction: false leaves the loss as it is"))
    #expect(uncorrected.lines.allSatisfy { $0.values["sampling/importance_sampling_ratio/mean"] == nil })
    #expect(uncorrected.lines.allSatisfy { $0.values["sampling/sampling_logp_difference/mean"] != nil })
    #expect(try uncorrected.adapter(3) != short.adapter(3))
  }

  @Test func aServerOfAnotherModelEndsTheRun() async throws {
    let server = try StubServer(.sglang, noise: -2)
    let error = await #expect(throws: TrainerError.self) { try await run(shortRun([server])) }
    #expect(error?.found.contains("differ from the trainer's") == true)
  }

  @Test func whatCannotBeUsedIsRefusedByName() async throws {
    func refusal(_ server: StubServer, _ changes: [String: String] = [:]) async -> String {
      let error = await #expect(throws: TrainerError.self) { _ = try await run(shortRun([server], changes)) }
      #expect(error?.place.contains("rollout_servers: " + server.address) == true)
      return "\(error.map { "\($0)" } ?? "")"
    }
    let fixed = try StubServer(.vllm, .init(loadsAdapters: false))
    #expect(await refusal(fixed).contains("VLLM_ALLOW_RUNTIME_LORA_UPDATING"))
    let narrow = try StubServer(.vllm, .init(rank: 2))
    #expect(await refusal(narrow).contains("LoRA rank 4 is greater than max_lora_rank 2."))
    let plain = try StubServer(.llama, .init(loadsAdapters: false))
    #expect(await refusal(plain).contains("--models-preset"))
    let small = try StubServer(.sglang, .init(context: 100))
    #expect(await refusal(small).contains("--context-length 226"))
    #expect(await refusal(small, ["rollout_folder": "null"]).contains("rollout_folder"))
    // What log-probabilities say is asked, and must be what the loss compares.
    let warm = try StubServer(.vllm, .init(isTempered: true))
    let half = ["temperature": "0.5"]
    #expect(await refusal(warm, half).contains("log-probabilities after it is applied"))
    let cold = try StubServer(.vllm)
    let scaled = half.merging(["scale_logits_by_temperature": "true"]) { $1 }
    #expect(await refusal(cold, scaled).contains("before the temperature is applied"))
    let llama = try StubServer(.llama, folder: shared.path)
    #expect(await refusal(llama, scaled).contains("before the temperature is applied"))
  }

  @Test func keysOfImportanceSamplingAreTRLs() throws {
    func correction(_ yaml: String) throws -> SamplingCorrection {
      try Recipe(yaml: yaml + "seed: 3\n", path: "r.yaml").correction
    }
    let name = "vllm_importance_sampling_"
    #expect(try correction("") == SamplingCorrection())
    #expect(try correction(name + "cap: 2.0\n").highest == 2)
    #expect(try correction(name + "clip_max: null\n" + name + "clip_min: 0.5\n").highest == nil)
    #expect(try correction(name + "mode: token_mask\n").mode == .tokenMask)
    for wrong in [
      "cap: 2\n\(name)clip_max: 3\n", "clip_min: 3\n", "mode: sequence_truncate\n\(name)clip_max: null\n",
      "mode: tokens\n", "clip_max: -1\n",
    ] {
      #expect(throws: TrainerError.self) { try correction(name + wrong) }
    }
    #expect(throws: TrainerError.self) { try correction("method: sft\n\(name)cap: 2\n") }
  }
}
