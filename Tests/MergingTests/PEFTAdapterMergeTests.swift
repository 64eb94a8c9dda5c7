import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// Merges of DoRA, tables, replaced parameters and of every family, from directories and from GGUF files
/// (tools/golden/adapters.py).
@Suite struct PEFTAdapterMergeTests {
  static let cases: [String] = {
    guard let golden = try? SafetensorsFile(path: tiny("peft-golden.safetensors")) else { return [] }
    return golden.tensors.compactMap { $0.name.hasSuffix(".tokens") ? String($0.name.dropLast(7)) : nil }
  }()

  private func base(_ name: String) throws -> String {
    tiny(try #require(Adapter(path: tiny("peft-" + name)).baseModelName))
  }

  /// The logits of PEFT's attached form.
  private func check(_ path: String, _ name: String) throws {
    let golden = try SafetensorsFile(path: tiny("peft-golden.safetensors"))
    let tokens = try #require(golden[name + ".tokens"])
    let ids = unsafe tokens.bytes.withUnsafeBytes { bytes in
      (0..<tokens.elementCount).map {
        unsafe Int(bytes.loadUnaligned(fromByteOffset: 4 * $0, as: Int32.self))
      }
    }
    let expected = try #require(golden[name + ".logits"]).floats()
    let engine = Engine(model: try Model(path: path, threads: 2, activations: .f32), cacheType: .f32)
    let logits = try engine.logits(tokens: ids).suffix(expected.count)
    let range = try #require(expected.max()) - #require(expected.min())
    let difference = zip(logits, expected).map { abs($0 - $1) }.max() ?? .infinity
    #expect(difference <= 1e-5 * range, "\(path): \(difference / range) of the range")
  }

  @Test(arguments: cases) func directoriesComputeWhatPEFTDoes(name: String) async throws {
    let scratch = TemporaryFolder()
    let report = try await merge(base(name), [(tiny("peft-" + name), 1)], to: scratch.path("out")) {
      $0.elementType = .f32
    }
    #expect(report.logits.relativeDifference <= 1e-5)
    #expect(report.modules.allSatisfy { abs(($0.survived ?? 1) - 1) < 1e-4 })
    try check(scratch.path("out"), name)
  }

  /// From a directory, and from the base's own GGUF file.
  @Test(arguments: cases) func filesComputeWhatPEFTDoes(name: String) async throws {
    let scratch = TemporaryFolder()
    var sources = [try base(name)]
    let gguf = sources[0] + "/model.gguf"
    if FileManager.default.fileExists(atPath: gguf) { sources.append(gguf) }
    for (i, source) in sources.enumerated() {
      let output = scratch.path("out\(i).gguf")
      let report = try await merge(source, [(tiny("peft-" + name), 1)], to: output) { $0.fileType = .f32 }
      #expect(report.logits.relativeDifference <= 1e-5)
      try check(output, name)
    }
    guard sources.count == 2 else { return }
    // Both are the same weights in the same order.
    let (a, b) = (
      try GGUFFile(path: scratch.path("out0.gguf")), try GGUFFile(path: scratch.path("out1.gguf"))
    )
    #expect(Set(a.tensors.map(\.name)) == Set(b.tensors.map(\.name)))
    for tensor in a.tensors {
      let other = try #require(b.tensors.first { $0.name == tensor.name })
      let largest = tensor.floats().map { abs($0) }.max() ?? 0
      let difference = zip(tensor.floats(), other.floats()).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= 2e-7 * largest, "\(tensor.name)")
    }
  }

  @Test(arguments: cases) func memoryComputesWhatPEFTDoes(name: String) throws {
    let model = try Model(path: base(name), threads: 2, activations: .f32)
    let attached = try AttachedAdapter(Adapter(path: tiny("peft-" + name)), to: model)
    let merged = try RuntimeMerge([attached], into: model, elementType: .f32).model
    let tokens = (0..<12).map { ($0 * 7 + 3) % 60 }
    let expected = try Engine(model: model, cacheType: .f32).logits(tokens: tokens, adapter: attached)
    let found = try Engine(model: merged, cacheType: .f32).logits(tokens: tokens)
    let range = try #require(expected.max()) - #require(expected.min())
    #expect(zip(expected, found).allSatisfy { abs($0 - $1) <= 1e-5 * range })
  }

  /// Tables that are no longer one get a head of their own, and the configuration says so.
  @Test func tiedTablesAreSeparated() async throws {
    let scratch = TemporaryFolder()
    for (name, changed) in [("tied-head", "lm_head.weight"), ("tied-embedding", "model.embed_tokens.weight")]
    {
      let output = scratch.path(name)
      _ = try await merge(tiny("tiny-tied"), [(tiny("peft-" + name), 1)], to: output)
      #expect(try !Architecture(path: output + "/config.json").tieWordEmbeddings)
      let tensors = try WeightFiles(directory: output).tensors
      let old = try #require(try WeightFiles(directory: tiny("tiny-tied"))["model.embed_tokens.weight"])
      for table in ["lm_head.weight", "model.embed_tokens.weight"] {
        #expect((tensors[table]?.floats() == old.floats()) == (table != changed), "\(name): \(table)")
      }
    }
  }

  @Test(arguments: ["dora", "saved"]) func whatIsNoSumIsNotAdded(name: String) async throws {
    let scratch = TemporaryFolder()
    let adapters = [(tiny("adapter-all-r4"), Float(1)), (tiny("peft-" + name), 1)]
    do {
      _ = try await merge(tiny("tiny-f32"), adapters, to: scratch.path("out"))
      Issue.record("not refused")
    } catch {
      #expect("\(error)".contains("peft-" + name) && "\(error)".contains("alone"))
    }
  }

  /// What a file can't state is refused by name.
  @Test func windowsOfOtherFamiliesAreRefused() throws {
    let scratch = TemporaryFolder()
    for (name, text) in [
      ("qwen3-window", "sliding windows"), ("smollm3-window", "without rotation"),
      ("gemma3-scalar", "query scale"),
    ] {
      let model = try Model(path: tiny("family-" + name), threads: 1)
      do {
        _ = try Quantization(model, output: scratch.path(name + ".gguf"), type: .f32).run()
        Issue.record("not refused")
      } catch {
        #expect("\(error)".contains(text), "\(error)")
      }
    }
    #expect(scratch.names.isEmpty)
  }
}
