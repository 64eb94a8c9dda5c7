import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing
import TinaRuntime

@testable import Merging

@Suite struct LogitCheckTests {
  private static let probes = LogitProbes(all: [("a", [1, 2]), ("b", [3])])

  /// Numbers that can be worked out by hand: p = (1/2, 1/2) against q = (1/4, 3/4), then equal ones.
  @Test func differencesAreMeasuredAtEveryPosition() {
    let third = Float(3).squareRoot() * Float(3).squareRoot()
    let attached: [Float] = [0, 0, 1, 3, 2, -2]
    let merged: [Float] = [0, Foundation.log(third), 1, 3, 2, -2]
    let check = LogitCheck(Self.probes, attached: attached, merged: merged)
    let expected = 0.5 * Foundation.log(2.0) + 0.5 * Foundation.log(2.0 / 3)
    #expect(abs(check.maxDivergence - expected) < 1e-6 && abs(check.meanDivergence - expected / 3) < 1e-6)
    #expect(abs(check.maxDifference - Foundation.log(3.0)) < 1e-6 && check.range == 4)
    #expect(check.positions == 3 && check.agreeing == 2 && check.isFinite)
    #expect(check.probes.map(\.firstDifference) == [0, nil])
  }

  @Test func theFirstOtherTokenOfEachTextIsFound() {
    let check = LogitCheck(Self.probes, attached: [1, 0, 0, 1, 0, 1], merged: [1, 0, 1, 0, 1, 0])
    #expect(check.probes.map(\.firstDifference) == [1, 0] && check.agreeing == 1)
  }

  @Test(arguments: [Float.nan, .infinity]) func logitsThatAreNotFiniteAreNoticed(_ wrong: Float) {
    let check = LogitCheck(Self.probes, attached: [0, 0, 0, 0, 0, 0], merged: [0, 0, 0, 0, 0, wrong])
    #expect(!check.isFinite)
  }

  /// Texts in one step have the logits that each has alone.
  @Test func textsTogetherComputeWhatEachDoes() throws {
    let model = try Model(path: tiny("tiny-bf16"), threads: 2)
    let adapter = try AttachedAdapter(Adapter(path: tiny("adapter-all-r4")), to: model)
    let probes = LogitProbes(all: [("", [3, 1, 4, 1, 5]), ("", [9, 2]), ("", [6, 5, 3, 5, 8, 9, 7])])
    let together = try probes.logits(model, adapter)
    let engine = Engine(model: model, cacheType: .f32)
    let alone = try probes.all.flatMap { try engine.logits(tokens: $0.ids, adapter: adapter) }
    #expect(together.map(\.bitPattern) == alone.map(\.bitPattern))
  }

  /// Weights that are read layer by layer and dropped behind the pass give the same logits; more positions than one
  /// step takes need a second pass.
  @Test(arguments: [9, 300]) func layersReadOneByOneComputeTheSame(_ count: Int) throws {
    for name in ["tiny-f32", "tiny-bf16", "tiny-tied"] {
      let probes = LogitProbes(all: [("", (0..<count).map { $0 * 7 % 60 }), ("", [5, 6, 7])])
      let expected = try probes.logits(try Model(path: tiny(name), threads: 2))
      let directory = try StoredModel(path: tiny(name))
      var window = LayerWindow(directory)
      var entered: [Int] = []
      let found = try probes.logits(try Model(directory, threads: 2)) { layer in
        entered.append(layer)
        window.enter(layer)
      }
      #expect(found.map(\.bitPattern) == expected.map(\.bitPattern), "\(name)")
      let pass = Array(0...directory.config.layerCount)
      #expect(entered == (count < 128 ? pass : pass + pass + pass))
    }
  }
}
