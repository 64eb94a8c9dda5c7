import Foundation
import TestSupport
import Testing

@testable import TinaRuntime
@testable import Trainer

@Suite struct StepFlopsTests {
  /// The count beside one that walks token by token and matrix by matrix.
  @Test func theCountIsThatOfTheShapes() throws {
    let model = try Model(path: pico, threads: 1, activations: .f32)
    let settings = LoRASettings(rank: 3, alpha: 6, dropout: 0, targets: ["q_proj", "down_proj"])
    let parameters = try LoRAParameters(settings, for: model.config)
    let config = model.config
    let groups = [(prompt: 5, completions: [4, 1]), (prompt: 2, completions: [3])]
    var (maps, pairs, attention, head) = (0.0, 0.0, 0.0, 0.0)
    for (prompt, completions) in groups {
      var positions = (1...prompt).map { $0 }
      for count in completions where count > 1 { positions += (1...count - 1).map { prompt + $0 } }
      for position in positions {
        for _ in 0..<config.layerCount {
          for projection in Projection.allCases {
            let (out, input) = projection.shape(config)
            maps += 2 * Double(out * input)
            if settings.targets.contains(projection.name) { pairs += 2 * Double(3 * (out + input)) }
          }
          attention += Double(2 * 2 * config.headCount * config.headDim * position)
        }
      }
      head += Double(2 * config.vocabSize * config.hiddenSize * completions.reduce(0, +))
    }
    let values = Dictionary(
      StepFlops(model, parameters).values(groups, samples: true, hasReference: false)
    ) { $1 }
    let once = maps + pairs + attention + head
    #expect(values["flops/rollout"] == once && values["flops/forward"] == once)
    #expect(values["flops/backward"] == maps + head + 2 * pairs + 2 * attention)
    #expect(values["flops/step"] == 3 * once + pairs + attention)
    let again = Dictionary(
      StepFlops(model, parameters).values(groups, samples: false, hasReference: true)
    ) { $1 }
    #expect(again["flops/rollout"] == 0 && again["flops/forward"] == 2 * once - pairs)
  }
}
