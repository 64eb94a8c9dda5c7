/// The version of the rules by which answers are judged; results name it.
public let graderVersion = 2
