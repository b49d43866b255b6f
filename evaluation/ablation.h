// Images with the part taken away that a diagnosis needs: what a network still finds is a leak.
// All work in place on pixels [height, width]; sides of at least 4 pixels (CHECKed).
#ifndef HILUM_EVALUATION_ABLATION_H_
#define HILUM_EVALUATION_ABLATION_H_

#include <span>

namespace hilum::evaluation {

// Lungs out, where no lung mask is at hand: the central 70 % of both sides becomes 0.
void BlackOutLungs(std::span<float> pixels, int height, int width);

// Border only: all but the outer 10 % on each edge becomes 0.
void KeepBorder(std::span<float> pixels, int height, int width);

// Cell means of a 32 x 32 thumbnail, spread over the image again.
void ToThumbnail(std::span<float> pixels, int height, int width);

}  // namespace hilum::evaluation

#endif  // HILUM_EVALUATION_ABLATION_H_
