import AdapterFormat
import CKernels
import Foundation
import Testing

@testable import TinaRuntime

@Suite struct SamplingTests {
  /// Known answers of Random123's test vectors for philox4x32-10.
  @Test func philoxGivesTheKnownAnswers() {
    let zero = Philox.block(counter: (0, 0, 0, 0), key: (0, 0))
    #expect(zero == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    let ones = Philox.block(
      counter: (.max, .max, .max, .max), key: (.max, .max))
    #expect(ones == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    let pi = Philox.block(
      counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: (0xa409_3822, 0x299f_31d0))
    #expect(pi == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
  }

  private func draw(
    _ logits: [Float], _ parameters: SamplingParameters, _ uniform: Double, allowed: Int? = nil
  ) -> Int? {
    unsafe sample(logits, parameters, uniform: uniform, allowed: allowed)?.id
  }

  /// The same filters, written plainly: sort everything, then cut.
  private func plain(_ logits: [Float], _ p: SamplingParameters) -> [Int: Double] {
    let peak = Double(logits.max() ?? 0)
    var kept = logits.enumerated().map {
      (token: $0, weight: exp((Double($1) - peak) / Double(p.temperature)))
    }
    .sorted { ($0.weight, $1.token) > ($1.weight, $0.token) }
    if p.topK > 0 { kept = Array(kept.prefix(p.topK)) }
    if p.topP < 1 {
      let total = kept.reduce(0) { $0 + $1.weight }
      var mass = 0.0
      var survivors: [(token: Int, weight: Double)] = []
      for item in kept where survivors.isEmpty || mass < Double(p.topP) * total {
        survivors.append(item)
        mass += item.weight
      }
      kept = survivors
    }
    kept = kept.filter { $0.weight >= Double(p.minP) }
    let total = kept.reduce(0) { $0 + $1.weight }
    return Dictionary(uniqueKeysWithValues: kept.map { ($0.token, $0.weight / total) })
  }

  static let settings: [SamplingParameters] = [
    .init(temperature: 1), .init(temperature: 0.6, topP: 0.95), .init(temperature: 1.5, topK: 7),
    .init(temperature: 0.8, topK: 40, topP: 0.9), .init(temperature: 1, minP: 0.1),
    .init(temperature: 0.7, topK: 20, topP: 0.5, minP: 0.3), .init(temperature: 2, topP: 0.01),
  ]

  @Test(arguments: settings)
  func frequenciesMatchTheDistribution(parameters: SamplingParameters) {
    let logits = (0..<300).map { i in
      Float(6 * Philox.uniform(seed: 3, prompt: 0, sample: 0, position: UInt64(i)) - 3)
    }
    let expected = plain(logits, parameters)
    let draws = 40_000
    var counts: [Int: Int] = [:]
    for i in 0..<draws {
      // Evenly spread numbers make the frequencies exact to one draw for each token.
      let token = draw(logits, parameters, (Double(i) + 0.5) / Double(draws)) ?? -1
      counts[token, default: 0] += 1
    }
    for (token, count) in counts {
      let share = Double(count) / Double(draws)
      #expect(abs(share - (expected[token] ?? 0)) < 2.0 / Double(draws) + 1e-4, "token \(token)")
    }
    for (token, probability) in expected where probability > 1e-3 {
      #expect(counts[token] != nil, "token \(token) of probability \(probability) never came")
    }
  }

  /// One bit pattern for every path of instructions, on rows of the real vocabulary's length. Runs in its own process,
  /// because all threads of a process compute on the same path.
  @Test func pathsAgree() async {
    await #expect(processExitsWith: .success) {
      for parameters in SamplingTests.settings { SamplingTests.comparePaths(parameters) }
    }
  }

  private static func comparePaths(_ parameters: SamplingParameters) {
    let best = unsafe String(cString: tk_isa())
    for seed in 0..<3 as Range<UInt64> {
      let logits = (0..<151_936).map { i in
        Float(20 * Philox.uniform(seed: seed, prompt: 0, sample: 0, position: UInt64(i)) - 10)
      }
      let uniform = Philox.uniform(seed: seed, prompt: 9, sample: 0, position: 0)
      let fast = unsafe sample(logits, parameters, uniform: uniform, top: 5)
      #expect(unsafe tk_isa_select("portable"))
      let portable = unsafe sample(logits, parameters, uniform: uniform, top: 5)
      #expect(unsafe tk_isa_select(best))
      #expect(fast?.id == portable?.id && fast?.top == portable?.top)
      #expect(fast?.logProbability.bitPattern == portable?.logProbability.bitPattern)
      #expect(fast?.temperedLogProbability.bitPattern == portable?.temperedLogProbability.bitPattern)
    }
  }

  @Test func equalWeightsSurviveByTheirIDs() {
    let logits = [Float](repeating: 2, count: 1000)
    for i in 0..<200 {
      let uniform = (Double(i) + 0.5) / 200
      #expect(draw(logits, .init(topK: 10), uniform) == i / 20)
      #expect(draw(logits, .init(topP: 0.25), uniform) == Int(uniform * 250))
    }
  }

  @Test func probabilitiesAreThoseOfTheSoftmax() throws {
    let logits = (0..<777).map { Float(sin(Double($0)) * 5) }
    let peak = Double(5)
    func logSum(_ temperature: Double) -> Double {
      peak / temperature + log(logits.reduce(0) { $0 + exp((Double($1) - peak) / temperature) })
    }
    let drawn = try #require(
      unsafe sample(logits, .init(temperature: 0.7, topP: 0.9), uniform: 0.4, allowed: 700, top: 9))
    #expect(abs(Double(drawn.logProbability) - (Double(logits[drawn.id]) - logSum(1))) < 1e-5)
    #expect(
      abs(Double(drawn.temperedLogProbability) - (Double(logits[drawn.id]) / 0.7 - logSum(0.7))) < 1e-5)
    let sorted = logits.indices.sorted { (logits[$0], $1) > (logits[$1], $0) }
    #expect(drawn.top.map(\.id) == Array(sorted.prefix(9)), "the likeliest of all, drawn or not")
    for item in drawn.top {
      #expect(abs(Double(item.logProbability) - (Double(logits[item.id]) - logSum(1))) < 1e-5)
    }
  }

  /// Against the formulas of transformers' RepetitionPenaltyLogitsProcessor and of OpenAI's API, written out.
  @Test func penaltiesChangeTheLogits() throws {
    let logits: [Float] = [3, -1, 2.5, 0, 2.9, -4]
    var parameters = SamplingParameters(
      temperature: 0, repetitionPenalty: 1.5, presencePenalty: 0.25, frequencyPenalty: 0.5)
    let table = PenaltyTable(prompt: [0, 1, 0], parameters)
    for id in [4, 4, 5] { table.add(id) }
    // 0: 3/1.5 = 2; 4: 2.9/1.5 - 0.25 - 2*0.5 = 0.683; so 2 is the likeliest.
    #expect(unsafe sample(logits, parameters, uniform: 0, penalties: table)?.id == 2)
    parameters.temperature = 2
    let changed: [Double] = [
      3 / 1.5, -1 * 1.5, 2.5, 0, 2.9 / 1.5 - 0.25 - 2 * 0.5, -4 * 1.5 - 0.25 - 0.5,
    ]
    let total = changed.reduce(0) { $0 + exp($1 / 2) }
    let raw = logits.reduce(0) { $0 + exp(Double($1)) }
    var counts = [Int](repeating: 0, count: 6)
    for i in 0..<6000 {
      let drawn = try #require(
        unsafe sample(logits, parameters, uniform: (Double(i) + 0.5) / 6000, penalties: table))
      counts[drawn.id] += 1
      #expect(abs(Double(drawn.temperedLogProbability) - (changed[drawn.id] / 2 - log(total))) < 1e-5)
      #expect(abs(Double(drawn.logProbability) - (Double(logits[drawn.id]) - log(raw))) < 1e-5)
    }
    for id in 0..<6 { #expect(abs(Double(counts[id]) / 6000 - exp(changed[id] / 2) / total) < 1e-3) }
    let outOfPrompt = PenaltyTable(prompt: [0, 1], .init(presencePenalty: 1))
    #expect(outOfPrompt.count == 0, "presence and frequency are about what was drawn")
  }

  @Test func greedyTakesTheFirstOfTheLikeliest() {
    #expect(draw([1, 5, 5, 2], .greedy, 0.99) == 1)
  }

  @Test func idsBeyondTheVocabularyAreNeverDrawn() {
    let logits: [Float] = [0, 0, 0, 50, 90]
    for i in 0..<100 {
      let token = draw(logits, .init(temperature: 1), Double(i) / 100, allowed: 3)
      #expect((token ?? 9) < 3)
    }
    #expect(draw(logits, .greedy, 0, allowed: 3) == 0)
  }

  @Test func nanIsReportedNotSampled() {
    #expect(draw([0, .nan, 1], .greedy, 0) == nil)
    #expect(draw([0, .infinity, 1], .init(), 0) == nil)
  }
}
