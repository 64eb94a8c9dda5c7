import TestSupport
import Testing

@testable import Serving

@Suite struct ModelReferenceTests {
  @Test func baseAdapterAndScaleAreParsed() throws {
    #expect(ModelReference("pico", base: "pico")?.adapter == nil)
    #expect(ModelReference("math", base: "pico") == ModelReference("pico:math", base: "pico"))
    let scaled = try #require(ModelReference("pico:math@0.5", base: "pico"))
    #expect(scaled.adapter == "math" && scaled.scale == 0.5)
    #expect(ModelReference("math@-1e-2", base: "pico")?.scale == -0.01)
  }

  @Test(arguments: [
    "", "pico:", "pico@2", "math@", "math@nan", "math@inf", "math@0x10", "math@1@2", "other:math", "ma th",
    "pico:pico:math", "math\n", "math@1e99", "é",
  ])
  func otherTextsNameNothing(text: String) {
    // "pico@2" is a factor on the base, which has none; it reads as an adapter of the base's name.
    let reference = ModelReference(text, base: "pico")
    #expect(reference == nil || reference?.adapter == "pico")
  }
}
