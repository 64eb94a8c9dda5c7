import Yams

/// Recipes: read or refused, within bounds of time and depth.
func testRecipe(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  let yaml = String(decoding: UnsafeRawBufferPointer(start: start, count: count), as: UTF8.self)
  let began = processorSeconds()
  if var reader = try? RecipeReader(yaml: yaml, path: "r.yaml") {
    _ = try? reader.text("system_prompt")
    _ = try? reader.texts("lora_target_modules")
    _ = try? reader.numbers("rl_post_train_reward_weights", -1...1)
    _ = try? reader.integer("seed")
    _ = try? reader.flag("scale_reward")
    _ = try? reader.number("lr_scheduler_kwargs", "min_lr_rate", 0...1)
    try? reader.finish()
  }
  precondition(processorSeconds() - began < 3, "a recipe of \(count) bytes took seconds")
  return 0
}
