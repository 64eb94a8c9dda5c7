import CBuild
import CKernels
import Support

/// What `tina --version` tells: from what the program was built, and which kernels run on this machine.
enum VersionText {
  /// The paths of instructions, the fastest first.
  private static let paths = ["avx512", "avxvnni", "avx2", "neon", "portable"]

  static func text() -> String {
    """
    tina \(tinaVersion)
    commit: \(commit)
    kernels: \(kernels())
    traits: \(traits.isEmpty ? "none" : traits.joined(separator: ", "))
    """
  }

  /// The program, as the processes of one run must have it alike.
  static var program: String {
    let told = unsafe String(cString: cb_commit())
    return "tina \(tinaVersion)" + (told.isEmpty ? "" : " (\(told))")
  }

  private static var commit: String {
    let told = unsafe String(cString: cb_commit())
    return told.isEmpty ? "not recorded (scripts/package and scripts/install record it)" : told
  }

  private static var traits: [String] {
    #if Server
      ["Server"]
    #else
      []
    #endif
  }

  /// The path in use, and those that this processor has besides it.
  private static func kernels() -> String {
    let used = unsafe String(cString: tk_isa())
    let others = paths.filter { unsafe $0 != used && tk_isa_exists($0) }
    return others.isEmpty ? used : "\(used) (also here: \(others.joined(separator: ", ")))"
  }
}
