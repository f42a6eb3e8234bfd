// Package config reads config.json of the three Data2Vec families. It lies below model and model/graph, which both need the
// types; users see them through the aliases in package model.
//
// [Parse] applies the class defaults of transformers where the file is silent, derives what the reference derives
// (labels, output_hidden_size), and refuses values that no graph can have: the checks name the field. What a family can
// compute but this build cannot is not decided here but where the graph is built. [ReadProcessor] reads what an audio checkpoint says of
// its processor, for whoever prepares samples and whoever makes results of frames.
package config
