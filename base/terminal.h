// Whether a person looks at a stream, and how wide the window is.
#ifndef HILUM_BASE_TERMINAL_H_
#define HILUM_BASE_TERMINAL_H_

namespace hilum {

enum class StandardStream { kOutput = 1, kError = 2 };

// Whether the stream goes to a terminal.
bool IsTerminal(StandardStream stream);

// The width of the terminal in characters; 80 where there is none.
int TerminalColumns(StandardStream stream);

}  // namespace hilum

#endif  // HILUM_BASE_TERMINAL_H_
