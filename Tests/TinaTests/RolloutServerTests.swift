import Foundation
import ModelFiles
import TestSupport
import Testing
import Transfer

/// `tina train` whose completions come from `tina serve`.
@Suite(.needsPico) struct RolloutServerTests {
  private static let key = ["TINA_API_KEY": "s3cret"]
  private let scratch = TemporaryFolder()

  private func recipe() -> String {
    scratch.write(
      "r.yaml",
      """
      model_name_or_path: pico
      dataset_path: \(pico)/train.jsonl
      eval_dataset_path: \(scratch.path("held.jsonl"))
      prompt_template: model
      system_prompt: ""
      rl_post_train_reward_funcs: [format, accuracy]
      rl_post_train_reward_weights: [1, 2]
      lora_r: 4
      lora_alpha: 16
      learning_rate: 1.0e-3
      num_generations: 4
      per_device_train_batch_size: 4
      gradient_accumulation_steps: 4
      max_prompt_length: 128
      max_completion_length: 96
      max_steps: 5
      save_steps: 2
      eval_steps: 2
      eval_samples: 2
      temperature: 1.0
      """)
  }

  private func arguments(_ output: String, _ servers: [RunningServer]) -> [String] {
    let lines = try? String(contentsOfFile: pico + "/heldout.jsonl", encoding: .utf8)
    scratch.write("held.jsonl", (lines ?? "").split(separator: "\n").prefix(4).joined(separator: "\n"))
    let list = servers.map { "\"\($0.address)\"" }.joined(separator: ", ")
    return ["train", recipe(), "--model", pico, "--output", scratch.path(output), "--ignore-missing-signal"]
      + (servers.isEmpty ? [] : ["--set", "rollout_servers=[\(list)]"])
  }

  /// Each step's numbers without those that tell of time.
  private func metrics(_ output: String) throws -> [NSDictionary] {
    try String(contentsOfFile: scratch.path(output) + "/metrics.jsonl", encoding: .utf8).split(
      separator: "\n"
    )
    .map { line in
      let object = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any] ?? [:]
      return object.filter { key, _ in
        !["time", "second", "speed/"].contains { key.contains($0) }
      } as NSDictionary
    }
  }

  private func adapter(_ output: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: scratch.path(output) + "/checkpoint-5/adapter.tina"))
  }

  private func server(_ more: [String] = []) async throws -> RunningServer {
    let server = try RunningServer(
      ["--accept-adapters", "--activations", "f32", "--threads", "1"] + more, environment: Self.key)
    try await server.isUp()
    return server
  }

  @Test func serversGiveTheBytesOfARunOfOneProcess() async throws {
    #expect(try Program.run(arguments("local", [])).status == 0)
    #expect(try metrics("local").contains { $0["sampling/checked_tokens"] != nil })
    let first = try await server()
    let one = try Program.run(arguments("one", [first]), environment: Self.key)
    #expect(one.status == 0, "\(one.errors)")
    #expect(one.errors.contains("1 of 1 servers"))
    #expect(try adapter("one") == adapter("local"))
    #expect(try metrics("one") == metrics("local"))

    // One that is killed while the run goes on, and one that was never there.
    let second = try await server()
    let absent = try RunningServer(["--help"])
    absent.kill()
    let process = try Program.start(arguments("several", [absent, first, second]), environment: Self.key)
    let log = scratch.path("several") + "/metrics.jsonl"
    await eventually { (try? String(contentsOfFile: log, encoding: .utf8))?.contains("\n") == true }
    second.kill()
    await eventually { !process.isRunning }
    #expect(!process.isRunning && process.terminationStatus == 0)
    #expect(try adapter("several") == adapter("local"))
    #expect(try metrics("several") == metrics("local"))

    // A run that was here goes on there: nothing but time has changed.
    #expect(try Program.run(arguments("half", []) + ["--stop-at", "3"]).status == 0)
    #expect(try Program.run(arguments("half", [first]), environment: Self.key).status == 0)
    #expect(try adapter("half") == adapter("local"))
  }

  @Test func aServerWithOtherBitsIsRefusedByName() async throws {
    let other = try await server(["--cache-type", "f32", "--max-samples", "2"])
    let run = try Program.run(arguments("other", [other]), environment: Self.key)
    #expect(run.status == 1 && run.errors.contains(other.address), "\(run.errors)")
    #expect(run.errors.contains("cache type f32") && run.errors.contains("--max-samples"), "\(run.errors)")
    let locked = try Program.run(arguments("other", [other]), environment: ["TINA_API_KEY": "an0ther"])
    #expect(locked.status == 1 && locked.errors.contains("401"), "\(locked.errors)")
    #expect(!locked.errors.contains("an0ther") && !locked.errors.contains("s3cret"))
    #expect(!FileManager.default.fileExists(atPath: scratch.path("other")))
  }

  @Test func aFullDiskOfAServerChangesNothing() async throws {
    let server = try RunningServer(["--accept-adapters"], environment: Self.key, fileLimit: 64)
    try await server.isUp()
    let file = scratch.path("a.tina")
    #expect(try Program.run(["convert", picoAdapter, file]).status == 0)
    let client = try ServerClient(server.address, key: "s3cret")
    let reply = try await client.send("PUT", ["v1", "adapters", "mine"], .file(try MappedFile(path: file)))
    #expect(reply.status == 507, "\(String(decoding: reply.body, as: UTF8.self))")
    #expect(try await client.describe()?.adapters.isEmpty == true)
  }
}
