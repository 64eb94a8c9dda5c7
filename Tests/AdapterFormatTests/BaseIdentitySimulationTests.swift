import Foundation
import ModelFiles
import Testing

@testable import AdapterFormat

/// Counts false refusals and false acceptances on simulated bases of the 1.5B shape.
///
/// `TINA_IDENTITY_CASES=1000 swift test --filter BaseIdentitySimulation` gives the table of
/// spec/base-identity.md, section 8; `TINA_IDENTITY_ROWS=Q4_K` the rows whose names hold that text.
@Suite("Base identity, simulated")
struct BaseIdentitySimulationTests {
  private static let cases =
    ProcessInfo.processInfo.environment["TINA_IDENTITY_CASES"].flatMap { Int($0) } ?? 12

  struct Scenario: CustomTestStringConvertible {
    let name: String
    let sketchType: SampledElement
    let candidate: @Sendable (UInt64) -> SimulatedBase
    var testDescription: String { name }
  }

  private struct Count {
    var accepted = 0
    var refused = 0
    var largest = 0.0
  }

  private static func count(_ scenario: Scenario) throws -> Count {
    var count = Count()
    for seed in 1...UInt64(cases) {
      let base = SimulatedBase(
        seed: seed, original: scenario.candidate(seed).original, held: .float(scenario.sketchType),
        isUniform: scenario.candidate(seed).isUniform)
      let identity = try BaseIdentity(of: base, digest: [UInt8](repeating: 0, count: 32))
      switch identity.compare(to: scenario.candidate(seed)) {
      case .same: count.accepted += 1
      case .sameInOtherEncoding(let deviation, _):
        count.accepted += 1
        count.largest = max(count.largest, deviation)
      case .otherWeights: count.refused += 1
      case let other: Issue.record("\(scenario.name): \(other)")
      }
    }
    print("| \(scenario.name) | \(count.accepted) | \(count.refused) |")
    return count
  }

  private static func chosen(_ all: [Scenario]) -> [Scenario] {
    guard let part = ProcessInfo.processInfo.environment["TINA_IDENTITY_ROWS"] else { return all }
    return all.filter { $0.name.contains(part) }
  }

  private static func scenario(
    _ name: String, sketch: SampledElement = .bf16, original: SampledElement = .bf16,
    _ held: SimulatedBase.Held, _ change: SimulatedBase.Change = .none, other: Bool = false,
    isUniform: Bool = false
  ) -> Scenario {
    Scenario(name: name, sketchType: sketch) { seed in
      SimulatedBase(
        seed: other ? seed + 1_000_000 : seed, original: original, held: held, change: change,
        isUniform: isUniform)
    }
  }

  static let sameBase: [Scenario] = {
    // One statement each: as one literal they cost the type checker minutes.
    var all: [Scenario] = []
    all.append(scenario("BF16", .float(.bf16)))
    all.append(scenario("F16", .float(.f16)))
    all.append(scenario("F32", .float(.f32)))
    all.append(scenario("Q8_0", .blocks(.q8_0)))
    all.append(scenario("Q4_0", .blocks(.q4_0)))
    all.append(scenario("Q4_0, scale fitted", .blocks(.q4_0, searches: true)))
    all.append(scenario("Q4_K", .blocks(.q4_K)))
    all.append(scenario("Q4_0 of evenly spread weights", .blocks(.q4_0), isUniform: true))
    all.append(scenario("Q4_K of evenly spread weights", .blocks(.q4_K), isUniform: true))
    all.append(scenario("F16 of an F32 original, sketch in BF16", original: .f32, .float(.f16)))
    all.append(scenario("Q8_0 of an F32 original, sketch in BF16", original: .f32, .blocks(.q8_0)))
    all.append(scenario("Q4_K of an F32 original, sketch in BF16", original: .f32, .blocks(.q4_K)))
    all.append(scenario("BF16, sketch in F32", sketch: .f32, original: .f32, .float(.bf16)))
    all.append(scenario("Q8_0, sketch in F16", sketch: .f16, original: .f16, .blocks(.q8_0)))
    return all
  }()

  static let otherBase: [Scenario] = {
    // One statement each: as one literal they cost the type checker minutes.
    var all: [Scenario] = []
    all.append(scenario("1 % of noise, BF16", .float(.bf16), .noise(0.01)))
    all.append(scenario("1 % of noise, F16", .float(.f16), .noise(0.01)))
    all.append(scenario("1 % of noise, F32", .float(.f32), .noise(0.01)))
    all.append(
      scenario(
        "1 % of noise on one kind, BF16", .float(.bf16), .noiseIn(kind: "layers.*.mlp.up_proj.weight", 0.01)))
    all.append(scenario("0.1 % of noise, BF16", .float(.bf16), .noise(0.001)))
    all.append(scenario("training by 0.2 %, Q8_0", .blocks(.q8_0), .training(0.002)))
    all.append(scenario("training by 1 %, Q4_0", .blocks(.q4_0), .training(0.01)))
    all.append(scenario("training by 1 %, Q4_K", .blocks(.q4_K), .training(0.01)))
    all.append(scenario("matrices by 1 %, Q8_0", .blocks(.q8_0), .noise(0.01)))
    all.append(scenario("matrices by 8 %, Q4_0", .blocks(.q4_0), .noise(0.08)))
    all.append(scenario("matrices by 8 %, Q4_K", .blocks(.q4_K), .noise(0.08)))
    all.append(
      scenario("one kind by 20 %, Q4_0", .blocks(.q4_0), .noiseIn(kind: "layers.*.mlp.up_proj.weight", 0.2)))
    all.append(
      scenario("one kind by 20 %, Q4_K", .blocks(.q4_K), .noiseIn(kind: "layers.*.mlp.up_proj.weight", 0.2)))
    all.append(scenario("other weights, BF16", .float(.bf16), other: true))
    all.append(scenario("other weights, F16", .float(.f16), other: true))
    all.append(scenario("other weights, Q8_0", .blocks(.q8_0), other: true))
    all.append(scenario("other weights, Q4_0", .blocks(.q4_0), other: true))
    all.append(scenario("other weights, Q4_K", .blocks(.q4_K), other: true))
    return all
  }()

  @Test("the same base is recognised", arguments: chosen(sameBase))
  func recognised(_ scenario: Scenario) throws {
    let count = try Self.count(scenario)
    #expect(count.refused == 0 && count.accepted == Self.cases)
    #expect(count.largest < 0.15)
  }

  @Test("another base is refused", arguments: chosen(otherBase))
  func refused(_ scenario: Scenario) throws {
    let count = try Self.count(scenario)
    #expect(count.accepted == 0 && count.refused == Self.cases)
  }

  /// The change at which the matrices alone are distinguished: for the table, not a requirement.
  @Test(
    "how far matrices must move to be noticed under quantisation",
    .enabled(if: ProcessInfo.processInfo.environment["TINA_IDENTITY_CASES"] != nil))
  func limits() throws {
    for quantiser in Quantiser.allCases {
      for change in [0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08] {
        if (quantiser == .q8_0) != (change < 0.01) { continue }
        let name = "limit: matrices by \(change * 100) %, " + quantiser.elementType.rawValue
        _ = try Self.count(Self.scenario(name, .blocks(quantiser), .noise(change)))
      }
    }
  }

  /// The mean of u² for each quantiser, from which the limit of 0.095 was taken.
  @Test("the spread of a quantiser's own rounding", arguments: Quantiser.allCases)
  func spread(_ quantiser: Quantiser) throws {
    for searches in quantiser == .q4_0 ? [false, true] : [false] {
      var (sum, count) = (0.0, 0)
      for seed in 1...UInt64(min(Self.cases, 100)) {
        let identity = try BaseIdentity(
          of: SimulatedBase(seed: seed), digest: [UInt8](repeating: 0, count: 32))
        let candidate = SimulatedBase(seed: seed, held: .blocks(quantiser, searches: searches))
        for run in identity.sketch.runs {
          let sampled = identity.sketch.tensors[run.tensor]
          guard sampled.isMatrix, let tensor = candidate.tensor(sampled.name) else { continue }
          let found = candidate.values(
            of: tensor, row: run.row, columns: run.column..<(run.column + run.values.count))
          for i in run.values.indices {
            let w = Double(run.values[i])
            let width = found.widths[i] + 2 * sampled.element.halfSpacing(w)
            sum += min(1, pow((w - Double(found.values[i])) / width, 2))
            count += 1
          }
        }
      }
      let type = quantiser.elementType.rawValue + (searches ? ", scale fitted" : "")
      print("| spread: \(type) | \(sum / Double(count)) |")
      #expect((0.05...0.092).contains(sum / Double(count)))
    }
  }
}
