import Foundation
import Synchronization
import TestSupport
import Testing

@testable import Hub

/// A fake hub with a client whose cache is in a folder of its own.
struct HubBench {
  let fake: FakeHub
  let scratch: TemporaryFolder
  let hub: HubSession
  let notes: Notes

  final class Notes: Sendable {
    private let lines = Mutex<[String]>([])
    var all: [String] { lines.withLock { $0 } }
    func add(_ line: String) { lines.withLock { $0.append(line) } }
  }

  var cache: HubCache { hub.cache }
  var name: HubName { get throws { try HubName(fake.name) } }

  init(_ environment: [String: String] = [:], pacing: Pacing? = nil) throws {
    fake = try FakeHub()
    scratch = TemporaryFolder()
    let notes = Notes()
    self.notes = notes
    let settings = try HubSettings(
      environment: [
        "HF_ENDPOINT": "http://127.0.0.1:\(fake.port)", "HF_HOME": scratch.path,
        "HF_HUB_DOWNLOAD_TIMEOUT": "5",
      ].merging(environment) { $1 })
    // Short waits keep the tests short.
    hub = HubSession(
      settings, pacing: pacing ?? Pacing(attempts: 4, firstDelay: 0.01, longestDelay: 0.02, longestWait: 2),
      onNote: { notes.add($0) })
  }

  /// The same cache and hub with other settings.
  func hub(_ environment: [String: String]) throws -> HubSession {
    let settings = try HubSettings(
      environment: [
        "HF_ENDPOINT": "http://127.0.0.1:\(fake.port)", "HF_HOME": scratch.path,
      ].merging(environment) { $1 })
    return HubSession(settings, pacing: Pacing(attempts: 2, firstDelay: 0.01, longestDelay: 0.02))
  }

  @discardableResult
  func pull(_ text: String? = nil, want: HubWant = .either) throws -> HubPulled {
    try hub.fetch(hub.plan(text.map { try HubName($0) } ?? name, want: want))
  }

  func error(_ text: String? = nil, want: HubWant = .either) throws -> HubError? {
    do {
      try pull(text, want: want)
      return nil
    } catch {
      return try #require(error as? HubError, "\(error)")
    }
  }

  /// Whether the cache is as it was before anything came: no snapshot, no reference, no complete blob.
  func holdsNothing() -> Bool {
    !scratch.everything.contains { name in
      let parts = name.split(separator: "/").map(String.init)
      guard let i = parts.firstIndex(where: { ["snapshots", "refs", "blobs"].contains($0) }),
        parts.count > i + 1
      else { return false }
      return !name.hasSuffix(".incomplete")
    }
  }
}

extension FakeHub {
  /// A model of two shards, with other files that people leave in a repository.
  func putModel() {
    self["config.json"] = File(#"{"model_type": "qwen2"}"#)
    self["tokenizer.json"] = File(Self.noise(70_000, 1), isLarge: true)
    self["tokenizer_config.json"] = File("{}")
    self["model-00001-of-00002.safetensors"] = File(Self.noise(300_000, 2), isLarge: true)
    self["model-00002-of-00002.safetensors"] = File(Self.noise(200_000, 3), isLarge: true)
    self["model.safetensors.index.json"] = File(
      #"{"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}"#)
    self["pytorch_model.bin"] = File(Self.noise(1000, 4), isLarge: true)
    self["onnx/model.onnx"] = File(Self.noise(1000, 5), isLarge: true)
    self["README.md"] = File("# Tiny")
    self[".gitattributes"] = File("*.bin filter=lfs")
  }

  /// An adapter in a folder, with what a trainer leaves beside it.
  func putAdapter(_ folder: String, base: String = "someone/base") {
    let prefix = folder.isEmpty ? "" : folder + "/"
    self[prefix + "adapter_config.json"] = File(
      #"{"peft_type": "LORA", "base_model_name_or_path": "\#(base)"}"#)
    self[prefix + "adapter_model.safetensors"] = File(Self.noise(5000, 6), isLarge: true)
    self[prefix + "optimizer.pt"] = File(Self.noise(900, 7), isLarge: true)
    self[prefix + "tokenizer.json"] = File("{}")
    self[prefix + "README.md"] = File("# Adapter")
  }

  static func noise(_ count: Int, _ seed: UInt64) -> [UInt8] {
    var random = SeededGenerator(seed)
    return random.bytes(count)
  }
}
