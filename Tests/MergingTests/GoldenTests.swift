import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

/// Against peft's `merge_and_unload` (tools/golden/merge.py).
@Suite struct MergeGoldenTests {
  static let cases: [(name: String, base: String, adapters: [(path: String, scale: Float)])] = [
    ("bf16", "tiny-bf16", [("adapter-all-r4", 1)]),
    ("two", "tiny-f32", [("adapter-patterns", 1), ("adapter-qv-rslora-r3", 0.5)]),
    ("f16", "tiny-f16", [("adapter-qv-rslora-r3", 1)]),
  ]

  private func expected(_ name: String, _ kind: String) throws -> [(name: String, tensor: Tensor)] {
    let prefix = "\(name)/\(kind)/"
    return try SafetensorsFile(path: golden).tensors.filter { $0.name.hasPrefix(prefix) }.map {
      (String($0.name.dropFirst(prefix.count)), $0)
    }
  }

  private func run(_ index: Int, _ scratch: TemporaryFolder, _ type: ElementType?) async throws -> WeightFiles
  {
    let (_, base, adapters) = Self.cases[index]
    let output = scratch.path("out")
    let report = try await merge(tiny(base), adapters.map { (tiny($0.path), $0.scale) }, to: output) {
      $0.elementType = type
    }
    #expect(report.modules.allSatisfy { ($0.survived ?? 0) > 0.9 })
    return try WeightFiles(directory: output)
  }

  /// In float32 the sums differ by the order of a few additions at most.
  @Test(arguments: cases.indices) func float32SumsAreThoseOfPEFT(_ index: Int) async throws {
    let scratch = TemporaryFolder()
    let found = try await run(index, scratch, .f32)
    let expected = try expected(Self.cases[index].name, "sum")
    #expect(expected.count >= 4)
    for (name, tensor) in expected {
      let a = tensor.floats()
      let b = try #require(found.tensors[name]).floats()
      let largest = a.map { abs($0) }.max() ?? 0
      let difference = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference <= 3e-7 * largest, "\(name): \(difference / largest)")
    }
  }

  /// In the base's own type: at most one step of it.
  @Test(arguments: [0, 2]) func ownTypeIsWithinAStepOfPEFT(_ index: Int) async throws {
    let scratch = TemporaryFolder()
    let found = try await run(index, scratch, nil)
    let expected = try expected(Self.cases[index].name, "own")
    #expect(expected.count >= 4)
    var equal = 0
    var all = 0
    for (name, tensor) in expected {
      let other = try #require(found.tensors[name])
      #expect(other.elementType == tensor.elementType && other.shape == tensor.shape)
      let bits = tensor.elementType == .bf16 ? 7 : 10
      for (a, b) in zip(tensor.floats(), other.floats()) {
        #expect(steps(a, b, fraction: bits) <= 1, "\(name)")
        equal += a == b ? 1 : 0
        all += 1
      }
    }
    #expect(Double(equal) > 0.999 * Double(all))
  }

  /// What no adapter touches keeps its bytes.
  @Test func otherTensorsKeepTheirBytes() async throws {
    let scratch = TemporaryFolder()
    let found = try await run(2, scratch, nil)
    let base = try WeightFiles(directory: tiny("tiny-f16"))
    let touched = Set(try expected("f16", "sum").map(\.name))
    #expect(Set(found.tensors.keys) == Set(base.tensors.keys))
    for (name, tensor) in base.tensors where !touched.contains(name) {
      let other = try #require(found.tensors[name])
      let same = unsafe tensor.bytes.withUnsafeBytes { a in
        unsafe other.bytes.withUnsafeBytes { b in unsafe a.elementsEqual(b) }
      }
      #expect(same, "\(name)")
    }
  }
}
