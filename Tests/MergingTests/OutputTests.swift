import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// The directory that a merge makes: its files, and when it is made at all.
@Suite struct OutputTests {
  private let adapter = [(path: tiny("adapter-all-r4"), scale: Float(1))]

  @Test func shardsAreAsLargeAsAsked() async throws {
    let scratch = TemporaryFolder()
    let limit = 20_000
    let report = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("out")) {
      $0.shardByteCount = limit
    }
    #expect(report.files.count > 2)
    #expect(report.files.first == "model-00001-of-0000\(report.files.count).safetensors")
    _ = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("single"))
    let sharded = try WeightFiles(directory: scratch.path("out"))
    let single = try WeightFiles(directory: scratch.path("single"))
    #expect(single.files.count == 1 && sharded.files.count == report.files.count)
    #expect(sharded.tensors.count == single.tensors.count)
    for (name, tensor) in single.tensors { #expect(sharded.tensors[name]?.floats() == tensor.floats()) }
    for file in sharded.files {
      let tensors = try SafetensorsFile(path: file).tensors
      #expect(tensors.count == 1 || tensors.reduce(0) { $0 + $1.byteRange.count } <= limit)
      // Kernels like data that begin at multiples of 64.
      #expect((tensors.map(\.byteRange.lowerBound).min() ?? 1) % 64 == 0)
    }
  }

  @Test func theBasesOwnDivisionIsKept() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-sharded"), adapter, to: scratch.path("out"))
    #expect(report.files == ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"])
    let index = try #require(
      try JSON.parse(path: scratch.path("out") + "/model.safetensors.index.json").object)
    let source = try #require(
      try JSON.parse(path: tiny("tiny-sharded") + "/model.safetensors.index.json").object)
    #expect(index["weight_map"] == source["weight_map"])
    #expect(index["metadata"]?.object?["total_size"] == source["metadata"]?.object?["total_size"])
  }

  @Test func otherFilesAreCarriedAlongAndTheTypeIsSet() async throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("base")
    try FileManager.default.copyItem(atPath: tiny("tiny-bf16"), toPath: base)
    for name in ["LICENSE", "vocab.txt", ".gitattributes", "pytorch_model.bin", "adapter_config.json"] {
      try Data(name.utf8).write(to: URL(fileURLWithPath: base + "/" + name))
    }
    try FileManager.default.createDirectory(atPath: base + "/original", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: base + "/README.md", withDestinationPath: base + "/LICENSE")
    let report = try await merge(base, adapter, to: scratch.path("out")) { $0.elementType = .f32 }
    let names = try FileManager.default.contentsOfDirectory(atPath: scratch.path("out")).sorted()
    #expect(
      names == [
        ".gitattributes", "LICENSE", "README.md", "config.json", "generation_config.json",
        "merge-report.json",
        "model.safetensors", "vocab.txt",
      ])
    #expect(report.leftOut == ["adapter_config.json", "original/", "pytorch_model.bin"])
    #expect(try String(contentsOfFile: scratch.path("out") + "/README.md", encoding: .utf8) == "LICENSE")
    #expect(try Architecture(path: scratch.path("out") + "/config.json").torchDType == "float32")
    // With an unchanged type the file keeps its bytes.
    _ = try await merge(tiny("tiny-bf16"), adapter, to: scratch.path("own"))
    #expect(
      FileManager.default.contentsEqual(
        atPath: scratch.path("own") + "/config.json", andPath: tiny("tiny-bf16") + "/config.json"))
  }

  @Test func tiedHeadsStayTied() async throws {
    let scratch = TemporaryFolder()
    _ = try await merge(tiny("tiny-tied"), adapter, to: scratch.path("out"))
    let tensors = try WeightFiles(directory: scratch.path("out")).tensors
    let base = try WeightFiles(directory: tiny("tiny-tied")).tensors
    #expect(Set(tensors.keys) == Set(base.keys))
    #expect(tensors["model.embed_tokens.weight"]?.floats() == base["model.embed_tokens.weight"]?.floats())
  }

  @Test func anExistingOutputIsKept() async throws {
    let scratch = TemporaryFolder()
    let output = scratch.path("out")
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: true)
    try Data("mine".utf8).write(to: URL(fileURLWithPath: output + "/note.txt"))
    await #expect(throws: MergeError.self) { _ = try await merge(tiny("tiny-f32"), adapter, to: output) }
    #expect(try String(contentsOfFile: output + "/note.txt", encoding: .utf8) == "mine")
    // A merge that fails keeps it too, force or not.
    await #expect(throws: (any Error).self) {
      _ = try await merge(tiny("tiny-f32"), adapter, to: output, { $0.replacesOutput = true }) { path in
        _ = unsafe truncate(path + "/model.safetensors", 5000)
      }
    }
    #expect(try String(contentsOfFile: output + "/note.txt", encoding: .utf8) == "mine")
    _ = try await merge(tiny("tiny-f32"), adapter, to: output) { $0.replacesOutput = true }
    #expect(!FileManager.default.fileExists(atPath: output + "/note.txt"))
    #expect(FileManager.default.fileExists(atPath: output + "/model.safetensors"))
    #expect(scratch.names == ["out"])
  }

  @Test func inputsAreNeverReplaced() async throws {
    let scratch = TemporaryFolder()
    let base = scratch.path("models/base")
    try FileManager.default.createDirectory(atPath: scratch.path("models"), withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: tiny("tiny-f32"), toPath: base)
    try FileManager.default.createSymbolicLink(atPath: scratch.path("link"), withDestinationPath: base)
    for output in [base, base + "/", scratch.path("models"), scratch.path("link")] {
      await #expect(throws: MergeError.self) {
        _ = try await merge(base, adapter, to: output) { $0.replacesOutput = true }
      }
    }
    #expect(FileManager.default.contentsEqual(atPath: base, andPath: tiny("tiny-f32")))
    #expect(scratch.names == ["link", "models"])
  }

  @Test func aFolderThatIsMissingIsNamed() async throws {
    let scratch = TemporaryFolder()
    do {
      _ = try await merge(tiny("tiny-f32"), adapter, to: scratch.path("no/out"))
      Issue.record("not refused")
    } catch {
      #expect("\(error)".contains("no/out") && "\(error)".contains("mkdir"))
    }
  }

  @Test func numbersBeyondTheTypeAreRefused() async throws {
    let scratch = TemporaryFolder()
    let adapter = try scaledAdapter(tiny("adapter-all-r4"), by: 1e6, to: scratch.path("huge"))
    do {
      _ = try await merge(tiny("tiny-f32"), [(adapter, 1)], to: scratch.path("out")) { $0.elementType = .f16 }
      Issue.record("not refused")
    } catch MergeError.notFinite(let tensor, let count, let type) {
      #expect(tensor.contains("proj.weight") && count > 0 && type == "F16")
    }
    #expect(scratch.names == ["huge"])
  }

  @Test func impossibleSettingsAreRefused() throws {
    let model = try Model(path: tiny("tiny-f32"), threads: 1)
    let attached = try AttachedAdapter(Adapter(path: adapter[0].path), to: model)
    func refused(_ change: (inout MergeSettings) -> Void) -> Bool {
      var settings = MergeSettings()
      change(&settings)
      do throws(MergeError) {
        _ = try Merge([attached], into: model, output: "out", settings: settings)
        return false
      } catch { return true }
    }
    #expect(refused { $0.elementType = .f64 })
    #expect(refused { $0.shardByteCount = 0 })
    #expect(
      refused {
        $0.elementType = .f32; $0.rounding = .stochastic(seed: 1)
      })
    #expect(throws: MergeError.self) { try Merge([], into: model, output: "out") }
    #expect(!refused { $0.elementType = .bf16 })
  }

  @Test func anAdapterOfZerosChangesNothingAndTheReportSaysSo() async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(tiny("tiny-f32"), [(tiny("adapter-zero"), 1)], to: scratch.path("out"))
    #expect(report.worst == nil && report.total.survived == nil)
    #expect(
      report.summary.contains("change nothing") && report.warnings.contains { $0.contains("exactly zero") })
  }

}
